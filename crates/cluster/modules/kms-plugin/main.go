// Kms-plugin is a small KMS plugin on the modules that plugin authors use: AES-256-GCM under the keys of a file, one
// per line in hex, the last of which writes. The file is read at each call, so keys come and go while it runs.
//
//	kms-plugin v1|v2 /path/kms.sock FOLDER
//
// FOLDER/keys holds the keys. FOLDER/healthz, if it is there, is what Status says of the plugin's health; FOLDER/fail
// is the text that every other call fails with, behind `CODE:` a gRPC status of that number.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/kms/apis/v1beta1"
	"k8s.io/kms/pkg/service"
)

const nonceAnnotation = "nonce.kms-plugin.test"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("kms-plugin 1")
		return
	}
	if len(os.Args) != 4 {
		log.Fatal("usage: kms-plugin v1|v2 /path/kms.sock FOLDER")
	}
	socket, plugin := os.Args[2], &plugin{folder: os.Args[3]}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Fatal(err)
	}
	if os.Args[1] == "v2" {
		log.Fatal(service.NewGRPCService(socket, time.Second, plugin).ListenAndServe())
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	v1.RegisterKeyManagementServiceServer(server, &pluginV1{plugin: plugin})
	log.Fatal(server.Serve(listener))
}

type plugin struct{ folder string }

type key struct {
	id   string
	aead cipher.AEAD
}

// keys reads them all; the last one writes.
func (p *plugin) keys() ([]key, error) {
	text, err := os.ReadFile(filepath.Join(p.folder, "keys"))
	if err != nil {
		return nil, err
	}
	var keys []key
	for _, line := range strings.Fields(string(text)) {
		raw, err := hex.DecodeString(line)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		hash := sha256.Sum256(raw)
		keys = append(keys, key{hex.EncodeToString(hash[:8]), aead})
	}
	if len(keys) == 0 {
		return nil, errors.New("there are no keys")
	}
	return keys, nil
}

func (p *plugin) failure() error {
	text, err := os.ReadFile(filepath.Join(p.folder, "fail"))
	if err != nil {
		return nil
	}
	code, message, found := strings.Cut(string(text), ":")
	if number, err := strconv.Atoi(code); found && err == nil {
		return status.Error(codes.Code(number), message)
	}
	return errors.New(string(text))
}

func (p *plugin) seal(data []byte) (id string, nonce, sealed []byte, err error) {
	if err := p.failure(); err != nil {
		return "", nil, nil, err
	}
	keys, err := p.keys()
	if err != nil {
		return "", nil, nil, err
	}
	writer := keys[len(keys)-1]
	nonce = make([]byte, writer.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", nil, nil, err
	}
	return writer.id, nonce, writer.aead.Seal(nil, nonce, data, nil), nil
}

func (p *plugin) open(id string, nonce, sealed []byte) ([]byte, error) {
	if err := p.failure(); err != nil {
		return nil, err
	}
	keys, err := p.keys()
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.id == id && len(nonce) == key.aead.NonceSize() {
			return key.aead.Open(nil, nonce, sealed, nil)
		}
	}
	return nil, errors.New("the key is not known, or there is no nonce")
}

func (p *plugin) Status(context.Context) (*service.StatusResponse, error) {
	keys, err := p.keys()
	if err != nil {
		return nil, err
	}
	health := "ok"
	if text, err := os.ReadFile(filepath.Join(p.folder, "healthz")); err == nil {
		health = string(text)
	}
	return &service.StatusResponse{Version: "v2", Healthz: health, KeyID: keys[len(keys)-1].id}, nil
}

func (p *plugin) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	id, nonce, sealed, err := p.seal(data)
	if err != nil {
		return nil, err
	}
	annotations := map[string][]byte{nonceAnnotation: nonce}
	return &service.EncryptResponse{Ciphertext: sealed, KeyID: id, Annotations: annotations}, nil
}

func (p *plugin) Decrypt(_ context.Context, _ string, req *service.DecryptRequest) ([]byte, error) {
	return p.open(req.KeyID, req.Annotations[nonceAnnotation], req.Ciphertext)
}

// pluginV1 has no key_id and no annotations: its ciphertext is the key's 16 hex digits, the nonce, and the rest.
type pluginV1 struct {
	*plugin
	v1.UnsafeKeyManagementServiceServer
}

func (p *pluginV1) Version(context.Context, *v1.VersionRequest) (*v1.VersionResponse, error) {
	return &v1.VersionResponse{Version: "v1beta1", RuntimeName: "kms-plugin", RuntimeVersion: "1"}, nil
}

func (p *pluginV1) Encrypt(_ context.Context, req *v1.EncryptRequest) (*v1.EncryptResponse, error) {
	id, nonce, sealed, err := p.seal(req.Plain)
	if err != nil {
		return nil, err
	}
	return &v1.EncryptResponse{Cipher: append(append([]byte(id), nonce...), sealed...)}, nil
}

func (p *pluginV1) Decrypt(_ context.Context, req *v1.DecryptRequest) (*v1.DecryptResponse, error) {
	if len(req.Cipher) < 28 {
		return nil, errors.New("the ciphertext is cut short")
	}
	plain, err := p.open(string(req.Cipher[:16]), req.Cipher[16:28], req.Cipher[28:])
	if err != nil {
		return nil, err
	}
	return &v1.DecryptResponse{Plain: plain}, nil
}
