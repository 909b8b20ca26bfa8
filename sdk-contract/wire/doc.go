// Package wire holds the Go types of the contract, generated from openapi.yaml: types only.
//
// They exist so that the server's encoders and decoders, the importers and the tests name each field once,
// in the words of the contract. Decided against: the generator's strict server, which decodes leniently.
package wire

//go:generate go tool oapi-codegen -config types.yaml ../openapi.yaml
