// Grpc-client calls a KMS plugin as kube-apiserver 1.29 to 1.31 do: grpc-go 1.58, whose `:authority` is the
// percent-encoded path of the socket. It encrypts and decrypts N times and compares.
//
//	grpc-client v1|v2 unix:///path/kms.sock N
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	v1 "k8s.io/kms/apis/v1beta1"
	v2 "k8s.io/kms/apis/v2"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("grpc-go", grpc.Version)
		return
	}
	if len(os.Args) != 4 {
		log.Fatal("usage: grpc-client v1|v2 unix:///path/kms.sock N")
	}
	path := strings.TrimPrefix(os.Args[2], "unix://")
	if strings.HasPrefix(path, "/@") {
		path = path[1:]
	}
	times, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	// k8s.io/apiserver, pkg/storage/value/encrypt/envelope/{,kmsv2/}grpc_service.go of those releases.
	dial := func(context.Context, string) (net.Conn, error) { return net.Dial("unix", path) }
	connection, err := grpc.Dial(path, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)), grpc.WithContextDialer(dial))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	call := callV2
	if os.Args[1] == "v1" {
		call = callV1
	}
	for number := 0; number < times; number++ {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		seed := bytes.Repeat([]byte{byte(number)}, 32)
		opened, err := call(ctx, connection, seed)
		cancel()
		if err != nil {
			log.Fatalf("call %d: %v", number, err)
		}
		if !bytes.Equal(opened, seed) {
			log.Fatalf("call %d: opened to something else", number)
		}
	}
	fmt.Printf("grpc-go %s: %d round trips\n", grpc.Version, times)
}

func callV1(ctx context.Context, connection *grpc.ClientConn, seed []byte) ([]byte, error) {
	client := v1.NewKeyManagementServiceClient(connection)
	version, err := client.Version(ctx, &v1.VersionRequest{Version: "v1beta1"})
	if err != nil {
		return nil, err
	}
	if version.Version != "v1beta1" {
		return nil, fmt.Errorf("version %q", version.Version)
	}
	sealed, err := client.Encrypt(ctx, &v1.EncryptRequest{Version: "v1beta1", Plain: seed})
	if err != nil {
		return nil, err
	}
	opened, err := client.Decrypt(ctx, &v1.DecryptRequest{Version: "v1beta1", Cipher: sealed.Cipher})
	if err != nil {
		return nil, err
	}
	return opened.Plain, nil
}

func callV2(ctx context.Context, connection *grpc.ClientConn, seed []byte) ([]byte, error) {
	client := v2.NewKeyManagementServiceClient(connection)
	status, err := client.Status(ctx, &v2.StatusRequest{})
	if err != nil {
		return nil, err
	}
	if status.Healthz != "ok" {
		return nil, fmt.Errorf("healthz %q", status.Healthz)
	}
	sealed, err := client.Encrypt(ctx, &v2.EncryptRequest{Plaintext: seed, Uid: "a-test"})
	if err != nil {
		return nil, err
	}
	if sealed.KeyId != status.KeyId {
		return nil, fmt.Errorf("Encrypt answered key_id %q, Status %q", sealed.KeyId, status.KeyId)
	}
	opened, err := client.Decrypt(ctx, &v2.DecryptRequest{
		Ciphertext: sealed.Ciphertext, Uid: "a-test", KeyId: sealed.KeyId, Annotations: sealed.Annotations})
	if err != nil {
		return nil, err
	}
	return opened.Plaintext, nil
}
