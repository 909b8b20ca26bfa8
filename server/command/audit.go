package command

import (
	"context"
	"errors"
	"fmt"

	"satnav/server/app"
	"satnav/server/store/audit"
)

// auditCommand is about the audit log.
type auditCommand struct {
	Verify verifyAudit `cmd:"" help:"Find any entry that was changed, dropped, moved or added."`
}

// verifyAudit verifies audit logs.
type verifyAudit struct {
	knobs
	Retailer string `help:"Only this retailer's log."`
	Expect   string `help:"An end of the log that was printed once: the log must still lead through it." placeholder:"HEAD"`
	Data     string `help:"Data folder (default satnav-data). A process that serves it is asked, and goes on serving." placeholder:"DIR"`
}

// Run prints the end of each log that is whole. It ends with code 2 when one is not.
func (v *verifyAudit) Run(ctx context.Context, std IO) error {
	if v.Expect != "" && v.Retailer == "" {
		return errors.New("audit verify: --expect is the end of one log: name its --retailer")
	}
	c, _, err := v.load(std, map[string]string{"data": v.Data})
	if err != nil {
		return err
	}
	asked := app.Auditing{Retailer: v.Retailer, Expect: v.Expect}
	verified, err := app.AskVerifyAudit(ctx, c.Data, asked)
	if errors.Is(err, app.ErrNotServed) {
		satnav, opened := app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
		if opened != nil {
			return opened
		}
		verified, err = satnav.VerifyAudit(ctx, asked)
		err = errors.Join(err, satnav.Close())
	}
	for _, log := range verified {
		fmt.Fprintf(std.Out, "%s\t%d\t%s\n", log.Retailer, log.Entries, log.Head)
	}
	var broken *audit.Broken
	if errors.As(err, &broken) {
		return &exit{2, err}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "%d audit logs are whole. Keep what is printed elsewhere: with --expect it shows later that no log was put back\n", len(verified))
	return nil
}
