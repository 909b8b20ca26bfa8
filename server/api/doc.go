// Package api is the HTTP floor: it decodes, asks, and encodes, and makes no choice about shopping.
//
// The contract (sdk-contract/openapi.yaml) is not only described here but used: routes.gen.go is generated
// from it, the strict decoder checks bodies against its schemas, the roles of an operation are its x-roles,
// and /docs is rendered from it. So what is written there is what happens. Decided against: the generated
// strict server (it decodes leniently), a validating middleware (0.5 ms a call), and constraints repeated
// in Go (they drift).
package api

//go:generate go tool oapi-codegen -config routes.yaml ../../sdk-contract/openapi.yaml
