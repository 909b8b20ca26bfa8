package diary_test

import (
	"errors"
	"testing"

	"satnav/context/who"
	"satnav/server/diary"
	"satnav/server/retailer"
)

// TestRehearsalKeepsNothing holds that a dry run of purchases with prices answers as the import does and leaves nothing behind: no
// event, and a currency that may still be changed. After the import it stays.
func TestRehearsalKeepsNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	settle := func(currency string) error {
		settings := retailer.Defaults()
		settings.Currency = currency
		saved, err := d.retailers.SaveSettings(t.Context(), "r", retailer.Editor{}, retailer.Change[retailer.Settings]{Value: settings})
		return errors.Join(err, saved.Err)
	}
	if err := settle("EUR"); err != nil {
		t.Fatal(err)
	}
	bought := []diary.Entry{{Shopper: "anna", Event: who.Event{ID: "1", Kind: who.Purchased, Item: "milk", At: noon, Price: who.Money{Minor: 120, Known: true}}}}
	would, err := d.Rehearse(t.Context(), "r", noon, "contract", bought)
	if err != nil || would[0].Status != diary.Stored {
		t.Fatalf("the dry run told %+v, %v", would, err)
	}
	if _, err := d.shoppers.Shopper(t.Context(), who.Key{Retailer: "r", Shopper: "anna"}); !errors.Is(err, who.ErrUnknown) {
		t.Errorf("after the dry run the shopper is known: %v", err)
	}
	if err := settle("JPY"); err != nil {
		t.Errorf("after a dry run the currency cannot be changed: %v", err)
	}
	if did, err := d.Import(t.Context(), "r", noon, "contract", bought); err != nil || did[0].Status != diary.Stored {
		t.Fatalf("the import told %+v, %v", did, err)
	}
	var repriced *retailer.RepricedError
	if err := settle("EUR"); !errors.As(err, &repriced) {
		t.Errorf("after the import the currency was changed: %v, want a refusal", err)
	}
}
