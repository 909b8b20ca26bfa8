// Package contract embeds openapi.yaml, the contract between Satnav and everything that calls it.
//
// It holds nothing else: the types are in wire, the golden pairs in vectors, the history in CHANGES.md.
package contract

import _ "embed"

// OpenAPI is openapi.yaml, byte for byte.
//
//go:embed openapi.yaml
var OpenAPI []byte
