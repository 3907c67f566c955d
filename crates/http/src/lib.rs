//! One HTTPS client: CA bundles, client certificates, per-phase deadlines, body limits, proxy.
