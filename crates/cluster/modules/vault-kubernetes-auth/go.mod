module trousseau.test/vault-kubernetes-auth

go 1.26.0

require github.com/hashicorp/vault-plugin-auth-kubernetes v0.23.1
