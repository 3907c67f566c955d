//! Lets kube-apiserver in whose `:authority` is the path of the socket.
//!
//! Dialing a Unix socket, grpc-go sends the socket's path as `:authority`: `/run/kms.sock` up to 1.56,
//! `%2Frun%2Fkms.sock` in 1.58 and later. Neither is an authority (RFC 3986 §3.2), so h2 resets the stream with
//! `PROTOCOL_ERROR` before tonic hears of it (hyperium/h2#487, open since 2020). That cuts off KMS v1 on every
//! Kubernetes and KMS v2 before 1.32, which sends `localhost`. The plugin has no use for the value, so
//! [`AuthorityStream`] sits between the accepted socket and stock tonic and overwrites it where h2 would refuse it.
//!
//! A header block (RFC 9113 §4.3) is compressed with HPACK (RFC 7541), whose state both ends must keep in step. The
//! stand-in therefore has the *decoded* and the *encoded* length of what it replaces: no frame changes its size, and a
//! dynamic table entry takes as much room as the client believes. No table needs to be kept here, as a field that refers
//! to an entry gets the stand-in that h2 stored. After its first request grpc-go does just that.
//!
//! What the filter cannot read it passes on unchanged, and h2 judges; so it can only turn a refused request into an
//! accepted one, and adds no way to fail. Three authorities stay refused, none of which grpc-go sends: an empty one, one
//! whose *name* is a reference to the dynamic table (the static table has it, at index 1), and one whose Huffman form
//! needs more than 13 bits per byte. Each costs its own stream, not the connection.
//!
//! The filter can go when the test `h2_still_refuses_a_socket_path_as_authority` fails.

mod frames;
mod hpack;
mod huffman;
mod stream;

pub use frames::Filter;
pub use stream::AuthorityStream;
