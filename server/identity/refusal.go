package identity

// Refusal says why a token is not accepted, in words that the caller may see:
// nothing in it comes from the token beyond the name of a claim. Compare with
// errors.Is and the values below; the API answers 401 for all of them.
type Refusal struct {
	Code string // stable, for programs
	Text string // for people
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Is tells two refusals of the same code apart from others, whatever their text.
func (r *Refusal) Is(target error) bool {
	other, ok := target.(*Refusal)
	return ok && other.Code == r.Code
}

// The refusals. What a token says about itself is only judged after its
// signature, so that a forger learns nothing from the later ones.
var (
	ErrMissing     = &Refusal{"token_missing", `no token: send the header "Authorization: Bearer TOKEN"`}
	ErrTooLong     = &Refusal{"token_too_long", "the token is longer than 8 KB"}
	ErrMalformed   = &Refusal{"token_malformed", "the token is not a well-formed JWT"}
	ErrType        = &Refusal{"token_type", `the token's header typ is not "JWT" or "at+jwt"`}
	ErrCritical    = &Refusal{"token_critical", "the token's header names critical extensions (crit); none is supported"}
	ErrAlgorithm   = &Refusal{"token_algorithm", "the token's signature method is not allowed here"}
	ErrUnknownKey  = &Refusal{"token_key_unknown", "the token is signed with a key that is not known here"}
	ErrSignature   = &Refusal{"token_signature", "the token's signature does not fit"}
	ErrExpired     = &Refusal{"token_expired", "the token has expired"}
	ErrNotYetValid = &Refusal{"token_not_yet_valid", "the token is not valid yet (nbf or iat); compare the clocks"}
	ErrIssuer      = &Refusal{"token_issuer", "the token is from another issuer (iss)"}
	ErrAudience    = &Refusal{"token_audience", "the token is for another audience (aud)"}
	ErrClaims      = &Refusal{"token_claims", "the token lacks a claim, or one is not as it should be"}
)

// claims returns ErrClaims with the name of the claim and what it should be.
func claims(text string) *Refusal { return &Refusal{ErrClaims.Code, "the token's claims: " + text} }
