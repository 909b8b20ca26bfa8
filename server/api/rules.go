package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
	"satnav/server/store"
)

// ListRules lists drafts.
func (a *API) ListRules(c *fiber.Ctx, params wire.ListRulesParams) error {
	out := wire.RuleList{Rules: []wire.StoredRule{}}
	next, err := a.listing(c, store.RuleEntry, params.Cursor, params.Limit, func(e store.Entry) (bool, error) {
		told, err := ruleFrom(e)
		out.Rules = append(out.Rules, told)
		return true, err
	})
	if err != nil {
		return err
	}
	out.Next = next
	return encode(c, out)
}

// ruleFrom is a draft as it is kept. The contract and the entry say it in the same JSON.
func ruleFrom(e store.Entry) (wire.StoredRule, error) {
	told := wire.StoredRule{ID: e.ID, Version: e.Version, UpdatedAt: e.At}
	if err := json.Unmarshal(e.Body, &told.Rule); err != nil {
		return told, fmt.Errorf("rule %q: %w", e.ID, err)
	}
	return told, nil
}

// ruleOf reads what somebody wants as a rule.
func ruleOf(in *wire.Rule) (r rule.Rule, err error) {
	body, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	return r, err
}

func wireRules(rules []rule.Rule) ([]wire.Rule, error) {
	out := make([]wire.Rule, len(rules))
	if len(rules) == 0 {
		return out, nil
	}
	body, err := json.Marshal(rules)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	return out, err
}

// GetRule reads a draft.
func (a *API) GetRule(c *fiber.Ctx, id wire.ID, params wire.GetRuleParams) error {
	entry, err := a.entry(c, store.RuleEntry, id)
	if err != nil {
		return err
	}
	if unchanged(c, params.IfNoneMatch, entry.Version) {
		return nil
	}
	told, err := ruleFrom(entry)
	if err != nil {
		return err
	}
	return encode(c, told)
}

// PutRule writes a draft.
func (a *API) PutRule(c *fiber.Ctx, id wire.ID, params wire.PutRuleParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	expect, err := a.expected(c, store.RuleEntry, id, params.IfMatch, params.IfNoneMatch)
	if err != nil {
		return err
	}
	var in wire.Rule
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if err := sameID(in.ID, id, "/id"); err != nil {
		return err
	}
	draft, err := ruleOf(&in)
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveRules(c.UserContext(), caller(c).Retailer, editor(c),
		[]retailer.Change[rule.Rule]{{ID: strings.Clone(id), Value: draft, Expect: expect}})
	if err != nil {
		return err
	}
	if err := saved[0].Err; err != nil {
		return ruleProblem(editProblem(err, "", expect != nil))
	}
	told, err := ruleFrom(saved[0].Entry())
	if err != nil {
		return err
	}
	return finish(c, saved[0], "/v1/rules", told)
}

// DeleteRule deletes a draft.
func (a *API) DeleteRule(c *fiber.Ctx, id wire.ID, params wire.DeleteRuleParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	expect, err := a.expected(c, store.RuleEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveRules(c.UserContext(), caller(c).Retailer, editor(c),
		[]retailer.Change[rule.Rule]{{ID: strings.Clone(id), Delete: true, Expect: expect}})
	return deleted(c, store.RuleEntry, saved, err, expect != nil)
}

// CheckRule tells everything that is wrong with a rule.
func (a *API) CheckRule(c *fiber.Ctx) error {
	var in wire.Rule
	if err := a.decode(c, &in); err != nil {
		return err
	}
	draft, err := ruleOf(&in)
	if err != nil {
		return err
	}
	if draft.ID == "" {
		draft.ID = "new" // it gets one from its path
	}
	problems, err := a.Retailers.CheckRule(c.UserContext(), caller(c).Retailer, &draft)
	if err != nil {
		return err
	}
	out := wire.RuleCheck{Problems: make([]wire.RuleProblem, len(problems)), Classes: classesFrom(draft.Classes())}
	for i, p := range problems {
		out.Problems[i] = wire.RuleProblem{Pointer: rulePointer(p.Field), Line: p.Line, Column: p.Column, Text: p.Text, Mend: p.Mend}
	}
	return encode(c, out)
}

var rulePart = regexp.MustCompile(`[^.\[\]]+`)

// rulePointer makes a JSON pointer of "then[0].factor".
func rulePointer(field string) string { return pointerTo(rulePart.FindAllString(field, -1)...) }

// ruleProblem tells what is wrong with rules, each fault with its place; of several rules with the id before it.
func ruleProblem(err error) error {
	if faults := ruleFaults(err); len(faults) > 0 {
		return refused(faults)
	}
	var wrong *retailer.Invalid
	switch {
	case errors.As(err, &wrong):
		return editProblem(err, "", false)
	case errors.Is(err, retailer.ErrNotApproved), errors.Is(err, retailer.ErrOwnRules), errors.Is(err, retailer.ErrMoved), errors.Is(err, retailer.ErrNothing):
		return problem(conflict, "%s", err)
	case errors.Is(err, store.ErrConflict):
		return problem(conflict, "somebody else published at the same moment: read the plan again")
	case errors.Is(err, store.ErrNotFound):
		return problem(notFound, "there is no such version: GET /v1/rules/versions lists those there are")
	}
	return err
}

// ruleFaults is what an error says that is wrong with one rule, or with several; nothing: it is about something else.
func ruleFaults(err error) (faults Faults) {
	var invalid *rule.Invalid
	var all []*rule.Invalid
	joined, several := err.(interface{ Unwrap() []error })
	switch {
	case several:
		for _, e := range joined.Unwrap() {
			if errors.As(e, &invalid) {
				all = append(all, invalid)
			}
		}
	case errors.As(err, &invalid):
		all = append(all, invalid)
	}
	for _, one := range all {
		for _, p := range one.Problems {
			fault := wire.ProblemError{Pointer: rulePointer(p.Field), Code: codeUnknownValue, Detail: p.String()}
			if several {
				fault.Pointer, fault.Detail = "", fmt.Sprintf("rule %q, %s", one.Rule, p)
			}
			faults = append(faults, fault)
		}
	}
	return faults
}

func classesFrom(classes []rule.Class) []wire.RuleClass {
	out := make([]wire.RuleClass, len(classes))
	for i, class := range classes {
		out[i] = wire.RuleClass(class)
	}
	return out
}

func changesFrom(changes []retailer.RuleChange) []wire.RuleChange {
	out := make([]wire.RuleChange, len(changes))
	for i, change := range changes {
		out[i] = wire.RuleChange{ID: change.ID, What: change.What, Members: change.Members, Classes: classesFrom(change.Classes)}
	}
	return out
}

func plannedFrom(p retailer.Planned) wire.RulePlanned {
	return wire.RulePlanned{Digest: p.Digest, At: p.At, Why: p.Why, By: p.By, Failed: p.Failed}
}

func ruleSetFrom(set *retailer.RuleSet, e *store.Entry) (wire.RuleSet, error) {
	rules, err := wireRules(set.Rules)
	return wire.RuleSet{Version: e.Version, Rules: rules, At: e.At, By: e.By, Why: set.Why, Approved: set.Approved, Restored: set.Restored}, err
}

// GetLiveRules tells what is live, or was.
func (a *API) GetLiveRules(c *fiber.Ctx, params wire.GetLiveRulesParams) error {
	id := caller(c).Retailer
	set, entry, err := a.Retailers.Live(c.UserContext(), id)
	if params.Version != 0 && err == nil {
		set, entry, err = a.Retailers.RuleVersion(c.UserContext(), id, params.Version)
	}
	if err != nil {
		return ruleProblem(err)
	}
	out, err := ruleSetFrom(&set, &entry)
	if err != nil {
		return err
	}
	planned, err := a.Retailers.Planned(c.UserContext(), id)
	if err != nil {
		return err
	}
	out.Planned = plannedFrom(planned)
	if params.Version == 0 {
		snapshot, err := a.Retailers.Of(c.UserContext(), id)
		if err != nil {
			return err
		}
		health := snapshot.Suggest.Rules.Health()
		for _, id := range slices.Sorted(maps.Keys(health)) {
			out.Health = append(out.Health, wire.RuleHealth{ID: id, Matched: int64(health[id].Matched), Faulted: int64(health[id].Faulted), Off: health[id].Off})
		}
	}
	return encode(c, out)
}

// ListRuleVersions tells what was live, since when, by whom and why.
func (a *API) ListRuleVersions(c *fiber.Ctx) error {
	versions, err := a.Retailers.Versions(c.UserContext(), caller(c).Retailer, store.RuleSetEntry, retailer.LiveRules)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	out := wire.RuleVersions{Versions: make([]wire.RuleVersion, len(versions))}
	sets := make([]retailer.RuleSet, len(versions)+1) // the last one: before the first, nothing was live
	for i, e := range versions {
		if err := json.Unmarshal(e.Body, &sets[i]); err != nil {
			return fmt.Errorf("rules, version %d: %w", e.Version, err)
		}
	}
	for i, e := range versions {
		out.Versions[i] = wire.RuleVersion{Version: e.Version, At: e.At, By: e.By, Why: sets[i].Why, Approved: sets[i].Approved, Restored: sets[i].Restored,
			Changes: changesFrom(retailer.Differences(sets[i+1].Rules, sets[i].Rules))}
	}
	return encode(c, out)
}

// GetRulePlan tells what publishing would do.
func (a *API) GetRulePlan(c *fiber.Ctx) error {
	plan, err := a.Retailers.Plan(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	return a.tellPlan(c, plan)
}

func (a *API) tellPlan(c *fiber.Ctx, plan *retailer.Plan) error {
	planned, err := a.Retailers.Planned(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	out := wire.RulePlan{Version: plan.Version, Digest: plan.Digest, Changes: changesFrom(plan.Changes), Needs: classesFrom(plan.Needs),
		Authors: append([]string{}, plan.Authors...), Approvals: []wire.RuleApproved{}, Ready: len(plan.Changes) > 0 && plan.Approved() && plan.Wrong == nil, Problems: ruleFaults(plan.Wrong), Planned: plannedFrom(planned)}
	for _, given := range plan.Given {
		out.Approvals = append(out.Approvals, wire.RuleApproved{By: given.By, At: given.At, Why: given.Why})
	}
	found, err := a.Retailers.Warnings(c.UserContext(), caller(c).Retailer, plan)
	if err != nil {
		return ruleProblem(err)
	}
	out.Warnings = conflictsFrom(found.Conflicts)
	return encode(c, out)
}

// ListRuleConflicts tells which rules get in each other's way.
func (a *API) ListRuleConflicts(c *fiber.Ctx, params wire.ListRuleConflictsParams) error {
	found, err := a.Retailers.Conflicts(c.UserContext(), caller(c).Retailer, strings.Clone(cmp.Or(params.Rules, "drafts")))
	if err != nil {
		return ruleProblem(err)
	}
	return encode(c, wire.RuleConflicts{Conflicts: conflictsFrom(found.Conflicts), More: found.More})
}

func conflictsFrom(found []retailer.Conflict) []wire.RuleConflict {
	out := []wire.RuleConflict{}
	for i := range found {
		f, m := &found[i], &found[i].Scene.Moment
		told := wire.RuleConflict{Kind: string(f.Kind), Rules: f.Rules, Text: f.Text, Mend: f.Mend, Scene: wire.RuleWitness{
			At: fmt.Sprintf("%04d-%02d-%02dT%02d:%02d", m.Year, m.Month, m.Day, m.Minute/60, m.Minute%60), Times: f.Times, Rules: verdictsFrom(f.Verdicts)}}
		if f.Candidate != nil {
			told.Scene.Item = f.Candidate.Item
		}
		out = append(out, told)
	}
	return out
}

// ApproveRules agrees to publish the drafts.
func (a *API) ApproveRules(c *fiber.Ctx, _ wire.ApproveRulesParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	var in wire.RuleApproval
	if err := a.decode(c, &in); err != nil {
		return err
	}
	plan, err := a.Retailers.ApproveRules(c.UserContext(), caller(c).Retailer, editor(c), in.Digest, in.Why)
	if err != nil {
		return ruleProblem(err)
	}
	return a.tellPlan(c, plan)
}

// PublishRules makes the drafts live.
func (a *API) PublishRules(c *fiber.Ctx, _ wire.PublishRulesParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	var in wire.RulePublication
	if err := a.decode(c, &in); err != nil {
		return err
	}
	plan, err := a.Retailers.Plan(c.UserContext(), caller(c).Retailer) // what is warned of: after it is live nothing differs any more
	if err != nil {
		return err
	}
	set, entry, err := a.Retailers.PublishRules(c.UserContext(), caller(c).Retailer, editor(c), retailer.Publication{Why: in.Why, Digest: in.Digest, At: in.At})
	if err != nil {
		return ruleProblem(err)
	}
	found, err := a.Retailers.Warnings(c.UserContext(), caller(c).Retailer, plan)
	if err != nil { // it is live all the same
		a.Log.Warn("no warnings about published rules", "retailer", caller(c).Retailer, "err", err)
		found = &retailer.Report{}
	}
	return a.tellSet(c, set, entry, found.Conflicts)
}

func (a *API) tellSet(c *fiber.Ctx, set retailer.RuleSet, entry store.Entry, warnings []retailer.Conflict) error {
	out, err := ruleSetFrom(&set, &entry)
	if err != nil {
		return err
	}
	if len(warnings) > 0 {
		out.Warnings = conflictsFrom(warnings)
	}
	planned, err := a.Retailers.Planned(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	out.Planned = plannedFrom(planned)
	return encode(c, out)
}

// RollbackRules makes an earlier version live again.
func (a *API) RollbackRules(c *fiber.Ctx, _ wire.RollbackRulesParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	var in wire.RuleRollback
	if err := a.decode(c, &in); err != nil {
		return err
	}
	set, entry, err := a.Retailers.RestoreRules(c.UserContext(), caller(c).Retailer, editor(c), in.Version, in.Why)
	if err != nil {
		return ruleProblem(err)
	}
	return a.tellSet(c, set, entry, nil)
}

// messagesFrom tells what the shop says.
func messagesFrom(says []recommend.Said, words words) []wire.Message {
	var out []wire.Message
	for i := range says {
		out = append(out, wire.Message{Rule: says[i].Rule.ID, Text: words.pick(says[i].Text), RemindAt: says[i].At})
	}
	return out
}
