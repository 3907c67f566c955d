// Capture records what kube-apiserver's gRPC client sends over a Unix socket: see README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	v1 "k8s.io/kms/apis/v1beta1"
	v2 "k8s.io/kms/apis/v2"
)

// The directory of the sockets; a fixed one, so that the captured bytes vary little.
const dir = "/tmp/kms-golden"

type server1 struct {
	v1.UnimplementedKeyManagementServiceServer
}

func (*server1) Version(context.Context, *v1.VersionRequest) (*v1.VersionResponse, error) {
	return &v1.VersionResponse{Version: "v1beta1"}, nil
}

func (*server1) Encrypt(_ context.Context, r *v1.EncryptRequest) (*v1.EncryptResponse, error) {
	return &v1.EncryptResponse{Cipher: r.Plain}, nil
}

type server2 struct {
	v2.UnimplementedKeyManagementServiceServer
}

func (*server2) Status(context.Context, *v2.StatusRequest) (*v2.StatusResponse, error) {
	return &v2.StatusResponse{Version: "v2", Healthz: "ok", KeyId: "k"}, nil
}

func (*server2) Encrypt(_ context.Context, r *v2.EncryptRequest) (*v2.EncryptResponse, error) {
	return &v2.EncryptResponse{Ciphertext: r.Plaintext, KeyId: "k"}, nil
}

func main() {
	out := os.Args[1]
	if err := os.MkdirAll(dir, 0o700); err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	local := grpc.WithAuthority("localhost")
	path := filepath.Join(dir, "kms.sock")
	record(out, "v1-path", path, callV1, nil)
	record(out, "v2-path", path, callV2, nil)
	record(out, "v2-odd-path", filepath.Join(dir, "clé {1}~$.sock"), callV2, nil)
	record(out, "v2-abstract", "@kms-golden", callV2, nil)
	record(out, "v2-localhost", path, callV2, nil, local)
	record(out, "v2-path-long", path, callV2, metadata.Pairs("x-long", strings.Repeat("{~}", 5500)))
}

// record makes the calls over a socket at addr and writes what the client sent.
func record(out, name, addr string, call func(context.Context, *grpc.ClientConn) error, md metadata.MD, opts ...grpc.DialOption) {
	listener, err := net.Listen("unix", addr)
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxHeaderListSize(1 << 20))
	v1.RegisterKeyManagementServiceServer(s, &server1{})
	v2.RegisterKeyManagementServiceServer(s, &server2{})
	tape := &tape{Listener: listener}
	go s.Serve(tape)
	defer s.Stop()

	conn, err := grpc.Dial(addr, append(opts,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			return net.DialUnix("unix", nil, &net.UnixAddr{Name: addr})
		}))...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), md), 3*time.Second)
	defer cancel()
	if err := call(ctx, conn); err != nil {
		log.Fatal(name, ": ", err)
	}
	tape.mu.Lock()
	defer tape.mu.Unlock()
	file := filepath.Join(out, fmt.Sprintf("grpc-go-%s-%s.bin", grpc.Version, name))
	if err := os.WriteFile(file, tape.sent, 0o644); err != nil {
		log.Fatal(err)
	}
}

func callV1(ctx context.Context, conn *grpc.ClientConn) error {
	client := v1.NewKeyManagementServiceClient(conn)
	if _, err := client.Version(ctx, &v1.VersionRequest{Version: "v1beta1"}); err != nil {
		return err
	}
	_, err := client.Encrypt(ctx, &v1.EncryptRequest{Version: "v1beta1", Plain: []byte("ping")})
	return err
}

func callV2(ctx context.Context, conn *grpc.ClientConn) error {
	client := v2.NewKeyManagementServiceClient(conn)
	if _, err := client.Status(ctx, &v2.StatusRequest{}); err != nil {
		return err
	}
	_, err := client.Encrypt(ctx, &v2.EncryptRequest{Plaintext: make([]byte, 32), Uid: "00000000-0000-4000-8000-000000000000"})
	return err
}

// tape is a listener that keeps what its connections read.
type tape struct {
	net.Listener
	mu   sync.Mutex
	sent []byte
}

func (t *tape) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	return &taped{conn, t}, err
}

type taped struct {
	net.Conn
	tape *tape
}

func (c *taped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil || err == io.EOF {
		c.tape.mu.Lock()
		c.tape.sent = append(c.tape.sent, b[:n]...)
		c.tape.mu.Unlock()
	}
	return n, err
}
