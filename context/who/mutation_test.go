package who

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutation is the program with one check of the gate removed, and the tests that must notice.
type mutation struct {
	name       string
	file       string // of the module
	old, new   string // old stands there once
	tests, run string // package and pattern
	short      bool   // tried by every run of the tests; the others with SATNAV_TEST_LONG
}

const (
	whoTests     = "./context/who"
	storeTests   = "./server/store"
	privacyTests = "./server/privacy"
	visitTests   = "./server/visit"
	endToEnd     = "./server/e2e"
)

// mutations remove each check between personal data and who reads or keeps it. Whoever adds a check adds its removal.
var mutations = []mutation{
	{"nobody is asked", "context/who/access.go", "if s == nil || s.shopper == nil {\n\t\treturn View{}, false\n\t}\n\tif _, declared", "if _, declared", whoTests, "TestAccess$", false},
	{"a grant is needed", "context/who/access.go", "!declared || !s.shopper.grants.Holds(p)", "!declared", whoTests, "TestAccess$", true},
	{"a purpose is declared", "context/who/access.go", "if _, declared := Declared(p); !declared || ", "if ", whoTests, "TestAccess$", false},
	{"the device gives no location", "context/who/access.go", "p == Location && s.device.Location == geo.NoLocation", "p == Location && s.device.Location < geo.NoLocation", whoTests, "TestAccess$", true},
	{"what the device objects to", "context/who/access.go", "if slices.Contains(s.device.Closed, p) {", "if false {", whoTests, "TestDeviceReduces", true},
	{"a pause", "context/who/access.go", "!wishes.Paused.IsZero() || p == Loyalty", "p == Loyalty", whoTests, "TestWishesReduce", false},
	{"neutral answers", "context/who/access.go", " || p == Loyalty && wishes.Neutral", "", whoTests, "TestWishesReduce", false},
	{"what counts for others", "context/who/access.go", "if s == nil || !s.grants.Holds(Loyalty) {", "if s == nil {", whoTests, "TestWishesReduce", false},
	{"a history is for loyalty", "context/who/access.go", "if v.subject == nil || v.purpose != Loyalty {\n\t\treturn nil\n\t}\n\tv.subject.note(Loyalty)\n\tv.subject.history", "if v.subject == nil {\n\t\treturn nil\n\t}\n\tv.subject.note(Loyalty)\n\tv.subject.history", whoTests, "TestViewShows", true},
	{"a presence is for location", "context/who/access.go", "if v.subject == nil || v.purpose != Location {\n\t\treturn geo.Presence{}", "if v.subject == nil {\n\t\treturn geo.Presence{}", whoTests, "TestViewShows", false},
	{"what crossings suggest is for location", "context/who/access.go", "if v.subject == nil || v.purpose != Location {\n\t\treturn nil", "if v.subject == nil {\n\t\treturn nil", whoTests, "TestViewShows", false},
	{"experiments are for loyalty", "context/who/exposure.go", "v.subject == nil || v.purpose != Loyalty", "v.subject == nil", whoTests, "TestViewShows", false},
	{"a receipt tells what was read", "context/who/access.go", "v.subject.note(Location)\n\treturn v.subject.shopper.presence", "return v.subject.shopper.presence", whoTests, "TestUsedIsTheTruth", false},
	{"a receipt is nobody's to change", "context/who/access.go", "return slices.Clone(s.read), s.history", "return s.read, s.history", whoTests, "TestUsedIsTheTruth", false},
	{"a withdrawal is no grant", "context/who/grant.go", "return i >= 0 && g[i].Given", "return i >= 0", whoTests, "TestAccess$", false},
	{"the last decision holds", "context/who/grant.go", "if grant.Purpose != decision.Purpose {", "{", whoTests, "TestAccess$|Grant", false},
	{"declared before collected", "context/who/purpose.go", "case !ok:\n\t\treturn fmt.Sprintf(\"the purpose", "case !ok && r.declared == nil:\n\t\treturn fmt.Sprintf(\"the purpose", whoTests, "TestRegistry", false},
	{"the kinds that are collected", "context/who/purpose.go", "case !d.Collects(e.Kind):", "case false:", whoTests, "TestRegistry", false},
	{"no place more finely", "context/who/purpose.go", "return min(said, most)\n}\n\n// shorter", "return said\n}\n\n// shorter", whoTests, "TestCapsHold", false},
	{"kept no longer", "context/who/purpose.go", "return min(said, most)\n}\n\n// Keeps", "return max(said, most)\n}\n\n// Keeps", whoTests, "TestRegistry", false},
	{"who is made behind the gate", "context/who/gate_test.go", `"New":        {"server/store"},`, "", whoTests, "TestBreachesAreFound", false},

	{"a position needs a grant", "context/scene/scene.go", "if !ok {\n\t\treturn\n\t}\n\ts.hide", "_ = ok\n\ts.hide", "./context/scene", "TestPositionNeedsGrantAndDevice", false},
	{"a fix is no finer than the device allows", "context/scene/scene.go", "where.Sight(call.Fix, call.Cell, call.At, precision)", "where.Sight(call.Fix, call.Cell, call.At, geo.Precise)", "./context/scene", "TestPositionNeedsGrantAndDevice", false},
	{"a trail is no finer than the device allows", "context/scene/scene.go", "where.Permit(earlier, precision)", "where.Permit(earlier, geo.Precise)", "./context/scene", "TestPositionNeedsGrantAndDevice", false},

	{"an event needs the grant", "server/store/shoppers_diary.go", "return !grants.Holds(events[i].For())", "return false", storeTests, "TestStrangerWithoutTheGrantIsRefused", false},
	{"a pause keeps nothing", "server/store/shoppers_diary.go", "wishes != nil && !wishes.Paused.IsZero()", "wishes != nil && false", endToEnd, "TestPause", false},
	{"the crowd counts what is granted", "server/store/shoppers_each.go", "if !grants.Holds(who.Loyalty) {", "if false {", storeTests, "TestEachTells", false},
	{"records go with the grant", "server/store/shoppers_record.go", "return g.Purpose == p && g.Withdraws()", "return false", storeTests, "TestRecordsFollowGrants", false},
	{"another process may have committed", "server/store/shoppers.go", "if revision == k.revision {", "if revision >= k.revision {", storeTests, "TestWithdrawalHolds", false},
	{"a commit is decided on what was read", "server/store/shoppers.go", "Expect: &expect, Put: batch.put, Delete: gone", "Put: batch.put, Delete: gone", storeTests, "TestWithdrawalHolds|TestCommitIsDecided", false},
	{"a slow reader brings nothing old", "server/store/shoppers_cache.go", "stripe.Load() != before || found", "found", storeTests, "TestSlowAnswers|TestWithdrawalHolds", false},
	{"a presence is remembered of that revision", "server/store/shoppers_cache.go", "there.record.Revision != revision || !there.may", "!there.may", storeTests, "TestWithdrawalHolds", false},
	{"an erasure ends all reading", "server/store/shoppers_erase.go", "Delete: []string{grantsID, historyID,", "Delete: []string{grantsID,", storeTests, "TestForgetErases|TestWithdrawalHolds|Erase", false},

	{"where they were goes with the grant", "server/privacy/permissions.go", "g.Purpose == who.Location && !g.Given", "g.Purpose == who.Location && g.Given", visitTests, "TestWithdrawn", false},
	{"a withdrawn history leaves the crowd", "server/privacy/permissions.go", "return []store.Step{{Partition: p.shoppers.Partition(key), Before: counted(shopper), After: counted(after)}}, nil", "return nil, nil", privacyTests, "TestWithdrawnHistory", false},
	{"a decision owes its entry", "server/privacy/permissions.go", "Owed: true", "Owed: false", privacyTests, "TestNoDecision", false},
	{"a debt is paid once", "server/privacy/trail.go", "Once: pseudonym + ", "// ", privacyTests, "TestNoDecision", false},
	{"the settler asks the gate", "server/visit/settle.go", "geo.Precise})); ok {", "geo.Precise})); ok || true {", visitTests, "TestWithdrawnIsForgotten", false},
	{"what was shown is of loyalty", "server/visit/record.go", "if known {", "if known || true {", "./server/visit ./server/e2e", "TestAnswersLeaveRecords|TestWhyAndUses|Record", false},
	{"partners are off", "server/diary/diary.go", "who.PartnerSource(event.Source) && ", "false && ", endToEnd, "TestPartnersAreOff", false},
	{"places are kept coarse", "server/diary/diary.go", "return cell.Parent(declared.Resolution.Stored).String()", "return event.Place", endToEnd, "TestPlacesAreKeptCoarse", false},
	{"collected for what is declared", "server/diary/diary.go", `problem != "" {`, `problem == "?" {`, endToEnd, "TestPurposes$", false},
}

// TestEachCheckIsMissed removes each check of the gate from a copy of its file, and runs the tests that hold it over that copy: they must fail, and not
// because it does not compile. SATNAV_TEST_LONG tries all of them.
func TestEachCheckIsMissed(t *testing.T) {
	t.Parallel()
	long := os.Getenv("SATNAV_TEST_LONG") != ""
	passed := map[string]bool{}
	for _, m := range mutations {
		source, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), m.old); n != 1 {
			t.Errorf("%s: %s has the check %d times, want once:\n%s", m.name, m.file, n, m.old)
			continue
		}
		if !long && !m.short {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			if whole := m.tests + " " + m.run; !passed[whole] {
				if out, ok := over(t, m, string(source)); !ok {
					t.Fatalf("the tests fail with the check, too:\n%s", out)
				}
				passed[whole] = true
			}
			out, ok := over(t, m, strings.Replace(string(source), m.old, m.new, 1))
			switch {
			case ok:
				t.Errorf("%s without %q: all of %s in %s pass", m.file, m.old, m.run, m.tests)
			case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]") || !strings.Contains(out, "FAIL"):
				t.Errorf("it fails for another reason:\n%s", out)
			}
		})
	}
}

// over runs tests with another text in the place of a file, and tells whether they pass.
func over(t *testing.T, m mutation, text string) (out string, ok bool) {
	t.Helper()
	arguments := append([]string{"test", "-vet=off", "-count=1", "-timeout=5m", "-overlay=" + overlay(t, m.file, text), "-run", m.run}, strings.Fields(m.tests)...)
	command := exec.CommandContext(t.Context(), "go", arguments...)
	command.Dir = filepath.Join("..", "..")
	for _, kept := range os.Environ() { // the long forms are for the program as it is
		if !strings.HasPrefix(kept, "SATNAV_TEST_LONG=") {
			command.Env = append(command.Env, kept)
		}
	}
	told, err := command.CombinedOutput()
	return string(told), err == nil
}

// overlay puts a text in the place of a file of the module, for the go tool.
func overlay(t *testing.T, file, text string) string {
	t.Helper()
	folder := t.TempDir()
	copied, named := filepath.Join(folder, "copy.go"), filepath.Join(folder, "overlay.json")
	path, err := filepath.Abs(filepath.Join("..", "..", file))
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: copied}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{copied: text, named: string(list)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return named
}

// TestRawReadsDoNotCompile plants a file in another package that reads what is known of a shopper without the gate.
func TestRawReadsDoNotCompile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		read string
		want string // in what the compiler says; empty: it compiles
	}{
		"the history":        {"func planted(s *who.Shopper) any { return s.history }", "s.history undefined"},
		"the presence":       {"func planted(s *who.Shopper) any { return s.presence }", "s.presence undefined"},
		"a forged view":      {"func planted(s *who.Subject) any { return who.View{subject: s}.History() }", "unexported field subject"},
		"through the gate":   {"func planted(s *who.Subject) any { v, _ := who.Access(who.Loyalty, s); return v.History() }", ""},
		"what is said of it": {"func planted(s *who.Shopper) any { return s.Grants() }", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "package scene\n\nimport \"satnav/context/who\"\n\n" + c.read + "\n\nvar _ = planted\n"
			command := exec.CommandContext(t.Context(), "go", "build", "-overlay="+overlay(t, "context/scene/planted.go", text), "./context/scene")
			command.Dir = filepath.Join("..", "..")
			out, err := command.CombinedOutput()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(string(out), c.want)) {
				t.Errorf("got %v, want %q:\n%s", err, c.want, out)
			}
		})
	}
}
