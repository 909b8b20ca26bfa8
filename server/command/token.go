package command

import (
	"fmt"
	"path/filepath"
	"time"

	"satnav/server/identity"
)

// token prints a token that is signed with the development key, or makes a key set. It never opens the
// store, so it works beside a running server.
type token struct {
	knobs
	Data     string        `help:"Data folder, whose development.key signs (default satnav-data)." placeholder:"DIR"`
	Key      string        `help:"Sign with this private key instead, one of --new-jwks." placeholder:"FILE"`
	Retailer string        `help:"The retailer." default:"demo"`
	Role     string        `help:"What the token may do: ${enum}." enum:"shopper,manager,product,backend,admin" default:"shopper"`
	Subject  string        `help:"The shopper's id, or the name of a person or service." placeholder:"ID"`
	Store    []string      `help:"Limit a manager to this store; may be given several times." placeholder:"S" sep:"none"`
	TTL      time.Duration `help:"How long the token is good." default:"1h"`
	NewJWKS  string        `help:"Make a key pair in this folder: signing.key to sign with, jwks.json for the server." placeholder:"DIR" name:"new-jwks"`
}

// Run prints the token alone.
func (t *token) Run(std IO) error {
	c, _, err := t.load(std, map[string]string{"data": t.Data})
	if err != nil {
		return err
	}
	if t.NewJWKS != "" {
		key, err := identity.NewJWKS(t.NewJWKS)
		if err != nil {
			return err
		}
		fmt.Fprintf(std.Err, "made key %s: %s signs tokens (keep it secret), %s is for the server's identity.jwks\n",
			key.ID(), filepath.Join(t.NewJWKS, identity.SigningKeyFile), filepath.Join(t.NewJWKS, identity.JWKSFile))
		return nil
	}
	if t.Subject == "" {
		return fmt.Errorf("token: --subject is missing: name the shopper, person or service that the token is for")
	}
	var key *identity.Key
	if t.Key != "" {
		key, err = identity.ReadKey(t.Key)
	} else {
		key, err = identity.DevelopmentKey(c.Data)
	}
	if err != nil {
		return err
	}
	now := time.Now()
	text, err := identity.Issuer{Key: key, Issuer: c.Identity.Issuer, Audience: c.Identity.Audience}.Issue(identity.Claims{
		Retailer: t.Retailer, Role: identity.Role(t.Role), Subject: t.Subject, Stores: t.Store, Expires: now.Add(t.TTL),
	}, now)
	if err != nil {
		return err
	}
	fmt.Fprintln(std.Out, text)
	return nil
}
