package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"satnav/server/app"
	"satnav/server/privacy"
)

// erase erases shoppers.
type erase struct {
	knobs
	Shoppers []string `arg:"" help:"The shoppers' ids."`
	Retailer string   `help:"The retailer." default:"demo"`
	Reason   string   `help:"Kept in the proof; name nobody."`
	Data     string   `help:"Data folder (default satnav-data). A process that serves it is asked, and goes on serving." placeholder:"DIR"`
}

// erased is a receipt as it is printed.
type erased struct {
	Shopper string          `json:"shopper"`
	Receipt privacy.Receipt `json:"receipt"`
}

// Run erases, from the disk too, and prints a receipt for each shopper as a line of JSON.
func (e *erase) Run(ctx context.Context, std IO) error {
	c, _, err := e.load(std, map[string]string{"data": e.Data})
	if err != nil {
		return err
	}
	asked := app.Erasure{Retailer: e.Retailer, Shoppers: e.Shoppers, Reason: e.Reason}
	receipts, err := app.AskErase(ctx, c.Data, asked)
	if errors.Is(err, app.ErrNotServed) {
		satnav, opened := app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
		if opened != nil {
			return opened
		}
		receipts, err = satnav.Erase(ctx, asked)
		err = errors.Join(err, satnav.Close())
	}
	out := json.NewEncoder(std.Out)
	for i, receipt := range receipts {
		if err := out.Encode(erased{e.Shoppers[i], receipt}); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "erased %d shoppers: nothing of them can be read, and nothing is left on the disk; the model is learnt anew within the hour that a server runs. Keep the receipts: their secrets are told once\n", len(receipts))
	return nil
}
