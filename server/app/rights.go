package app

import (
	"context"
	"encoding/json"
	"fmt"

	"satnav/context/who"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
)

// Kept says why nothing of a retailer's shoppers may be kept here, or nothing: they are pinned to another region.
func (a *App) Kept(ctx context.Context, id string) error {
	snapshot, err := a.Retailers.Of(ctx, id)
	if err != nil {
		return err
	}
	if pinned := snapshot.Settings.Region; !retailer.Within(pinned, a.Config.Region) {
		return fmt.Errorf("the retailer %q is pinned to the region %q, and this deployment is of %q: import it there", id, pinned, a.Config.Region)
	}
	return nil
}

// Erasure asks for shoppers of a retailer to be erased, from the command line.
type Erasure struct {
	Retailer string   `json:"retailer"`
	Shoppers []string `json:"shoppers"`
	Reason   string   `json:"reason"`
}

// operator is who gives commands.
var operator = privacy.Actor{Role: "operator", Name: "command line"}

// Erase erases shoppers at once, from the disk too, and returns their receipts in the same order. Where one is under a legal
// hold it stops there: those before are erased.
func (a *App) Erase(ctx context.Context, asked Erasure) ([]privacy.Receipt, error) {
	var receipts []privacy.Receipt
	for _, shopper := range asked.Shoppers {
		receipt, err := a.Erasures.Erase(ctx, who.Key{Retailer: asked.Retailer, Shopper: shopper}, operator, asked.Reason)
		if err != nil {
			return receipts, fmt.Errorf("shopper %q: %w", shopper, err)
		}
		receipts = append(receipts, receipt)
	}
	if err := a.Erasures.Sweep(ctx, true); err != nil {
		return receipts, err
	}
	for i := range receipts {
		proof, err := a.Erasures.Proof(ctx, asked.Retailer, receipts[i].ID)
		if err != nil {
			return receipts, err
		}
		receipts[i].Proof = proof
	}
	return receipts, nil
}

func (a *App) eraseFor(ctx context.Context, request json.RawMessage) (any, error) {
	var asked Erasure
	if err := json.Unmarshal(request, &asked); err != nil {
		return nil, err
	}
	return a.Erase(ctx, asked)
}

// AskErase has the process that serves a data folder erase shoppers. It returns ErrNotServed when there is none.
func AskErase(ctx context.Context, data string, asked Erasure) (receipts []privacy.Receipt, err error) {
	return receipts, ask(ctx, data, "/erase", asked, &receipts)
}

// Auditing asks for audit logs to be verified.
type Auditing struct {
	Retailer string `json:"retailer"` // empty: all of them
	Expect   string `json:"expect"`   // an end that was told once; empty: none
}

// Audited is the end of a log that is whole.
type Audited struct {
	Retailer string `json:"retailer"`
	Entries  int64  `json:"entries"`
	Head     string `json:"head"` // empty where nothing was logged
}

// VerifyAudit verifies audit logs. It returns an *audit.Broken for the first that is not whole.
func (a *App) VerifyAudit(ctx context.Context, asked Auditing) (verified []Audited, err error) {
	retailers := []string{asked.Retailer}
	if asked.Retailer == "" {
		if retailers, err = store.NewEntries(a.Documents).Retailers(ctx); err != nil {
			return nil, err
		}
	}
	var expect *audit.Head
	if asked.Expect != "" {
		head, err := audit.ParseHead(asked.Expect)
		if err != nil {
			return nil, err
		}
		expect = &head
	}
	for _, retailer := range retailers {
		head, err := audit.Verify(ctx, a.Documents, retailer, a.AuditKeys(), expect)
		if err != nil {
			return verified, err
		}
		told := Audited{Retailer: retailer, Entries: head.Number}
		if head.Number > 0 {
			told.Head = head.String()
		}
		verified = append(verified, told)
	}
	return verified, nil
}

func (a *App) auditFor(ctx context.Context, request json.RawMessage) (any, error) {
	var asked Auditing
	if err := json.Unmarshal(request, &asked); err != nil {
		return nil, err
	}
	return a.VerifyAudit(ctx, asked)
}

// AskVerifyAudit has the process that serves a data folder verify its audit logs. It returns ErrNotServed when there is none.
func AskVerifyAudit(ctx context.Context, data string, asked Auditing) (verified []Audited, err error) {
	return verified, ask(ctx, data, "/audit", asked, &verified)
}
