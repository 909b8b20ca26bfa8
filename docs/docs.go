// Package docs embeds the page for data-protection officers, so that what it promises can be told beside what holds it.
//
// It holds nothing else: package measure reads the table in it.
package docs

import _ "embed"

// PrivacyOfficer is privacy-officer.md, byte for byte.
//
//go:embed privacy-officer.md
var PrivacyOfficer string
