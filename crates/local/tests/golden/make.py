"""Made the golden wraps of a local key, independently of the Rust code: HKDF (RFC 5869) by hand over hmac, AES-256-GCM
by the Python package `cryptography` (48.0.0). Run once; the output is in wraps.txt and never changes."""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    block, out, count = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([count]), hashlib.sha256).digest()
        out, count = out + block, count + 1
    return out[:length]


key = bytes(range(32))
prk = hmac.new(b"trousseau/local/1", key, hashlib.sha256).digest()
print("key", key.hex())
print("fingerprint", expand(prk, b"fingerprint\0", 16).hex())
salt, nonce = bytes(range(0x40, 0x60)), bytes(range(0xA0, 0xAC))
header = bytes.fromhex("fe5401030100000001")
for name, aad, plaintext in [
    ("seed", header + hashlib.sha256(b"prod-eu-1").digest()[:4] + b"prod-eu-1", bytes(range(0x80, 0xA0))),
    ("ping", header + hashlib.sha256(b"").digest()[:4], b"ping"),
    ("none", b"", b"x"),
]:
    subkey = expand(prk, b"wrap\0" + salt + aad, 32)
    print(name, aad.hex() or "-", plaintext.hex(), (salt + nonce + AESGCM(subkey).encrypt(nonce, plaintext, aad)).hex())
