//! The provider contract suite, a fake provider, and a scripted HTTPS server.
