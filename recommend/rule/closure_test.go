package rule

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"satnav/context/who"
)

// activation lets CEL's own interpreter read a frame.
type activation struct{ frame *frame }

func (a activation) ResolveName(name string) (any, bool) {
	if of, asked := strings.CutPrefix(name, presence); asked {
		_, known := attributes[byName[of]].value(a.frame)
		return known, true
	}
	number, ok := byName[name]
	if !ok {
		return nil, false
	}
	return attributes[number].value(a.frame)
}

func (activation) Parent() cel.Activation { return nil }

// interpreted is what CEL's own interpreter says.
func interpreted(t testing.TB, program cel.Program, f *frame) truth {
	t.Helper()
	result, _, err := program.Eval(activation{f})
	if err == nil {
		return truthOf(bool(result.(types.Bool)))
	}
	message := err.Error()
	if _, name, ok := strings.Cut(message, "no such attribute(s): "); ok {
		name, _, _ = strings.Cut(name, " ")
		if number, ok := byName[name]; ok {
			return (unknown + fault(number)).truth()
		}
	}
	switch {
	case strings.Contains(message, "division by zero"):
		return dividedByZero.truth()
	case strings.Contains(message, "modulus by zero"):
		return moduloByZero.truth()
	case strings.Contains(message, "integer overflow"):
		return overflow.truth()
	}
	t.Fatalf("an error that no closure knows: %s", message)
	return no
}

// author writes random conditions of the whole language.
type author struct {
	random *rand.Rand
	scope  []string
}

var (
	testTexts = []string{"", "a", "b", "gold", "dairy/milk", "dairy/", "friday", "new", "é", "日本", "x0"}
	testReals = []float64{0, 1, -1, 0.5, 2, 7, 23.999, 1e18, -1e18, 9223372036854775807, 9223372036854775808, -9223372036854775808, math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1)}
	testWhole = []int64{0, 1, -1, 2, 3, 7, 12, 23, 1000, math.MaxInt64, math.MinInt64, math.MinInt64 + 1, 1 << 53, 1<<53 + 1}
	byType    = func() map[Type][]string {
		names := map[Type][]string{}
		for i := range attributes {
			names[attributes[i].Type] = append(names[attributes[i].Type], attributes[i].Name)
		}
		return names
	}()
	optional = func() (names []string) {
		for i := range attributes {
			if attributes[i].Optional {
				names = append(names, attributes[i].Name)
			}
		}
		return names
	}()
)

func pick[T any](a *author, of ...T) T { return of[a.random.IntN(len(of))] }

func (a *author) flag(depth int) string {
	if depth <= 0 {
		return pick(a, pick(a, byType[Flag]...), "has("+pick(a, optional...)+")", "true", "false")
	}
	d := depth - 1
	switch a.random.IntN(14) {
	case 0, 1, 2:
		return fmt.Sprintf("(%s && %s)", a.flag(d), a.flag(d))
	case 3, 4:
		return fmt.Sprintf("(%s || %s || %s)", a.flag(d), a.flag(d), a.flag(d))
	case 5:
		return "!" + a.flag(d)
	case 6:
		return fmt.Sprintf("(%s ? %s : %s)", a.flag(d), a.flag(d), a.flag(d))
	case 7:
		return fmt.Sprintf("(%s in %s)", a.text(d), a.list())
	case 8:
		return fmt.Sprintf("(%s in [%s, %s])", a.whole(d), a.wholeLiteral(), a.wholeLiteral())
	case 9:
		return fmt.Sprintf("%s.%s(%s)", a.text(d), pick(a, "startsWith", "endsWith", "contains"), a.text(d))
	case 10:
		if len(a.scope) == maxDepth {
			return a.flag(0)
		}
		list, variable := a.list(), fmt.Sprintf("x%d", len(a.scope))
		a.scope = append(a.scope, variable)
		each := a.flag(d)
		a.scope = a.scope[:len(a.scope)-1]
		return fmt.Sprintf("%s.%s(%s, %s)", list, pick(a, "exists", "all"), variable, each)
	default:
		operator := pick(a, "==", "!=", "<", "<=", ">", ">=")
		switch a.random.IntN(6) {
		case 0:
			return fmt.Sprintf("(%s %s %s)", a.flag(d), pick(a, "==", "!="), a.flag(d))
		case 1:
			return fmt.Sprintf("(%s %s %s)", a.text(d), operator, a.text(d))
		case 2:
			return fmt.Sprintf("(%s %s %s)", a.whole(d), operator, a.whole(d))
		case 3:
			return fmt.Sprintf("(%s %s %s)", a.real(d), operator, a.real(d))
		case 4:
			return fmt.Sprintf("(%s %s %s)", a.whole(d), pick(a, "<", "<=", ">", ">="), a.real(d))
		default:
			return fmt.Sprintf("(%s %s %s)", a.real(d), pick(a, "<", "<=", ">", ">="), a.whole(d))
		}
	}
}

func (a *author) text(depth int) string {
	if depth > 0 && a.random.IntN(6) == 0 {
		return fmt.Sprintf("(%s ? %s : %s)", a.flag(depth-1), a.text(depth-1), a.text(depth-1))
	}
	if len(a.scope) > 0 && a.random.IntN(2) == 0 {
		return pick(a, a.scope...)
	}
	return pick(a, pick(a, byType[Text]...), fmt.Sprintf("%q", pick(a, testTexts...)))
}

func (a *author) list() string {
	if a.random.IntN(3) > 0 {
		return pick(a, byType[Texts]...)
	}
	var texts []string
	for range 1 + a.random.IntN(12) {
		texts = append(texts, fmt.Sprintf("%q", pick(a, testTexts...)))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (a *author) wholeLiteral() string { return fmt.Sprint(pick(a, testWhole...)) }

func (a *author) whole(depth int) string {
	if depth <= 0 || a.random.IntN(3) == 0 {
		return pick(a, pick(a, byType[Whole]...), a.wholeLiteral(), "0")
	}
	d := depth - 1
	switch a.random.IntN(6) {
	case 0:
		return fmt.Sprintf("size(%s)", a.list())
	case 1:
		return a.text(d) + ".size()"
	case 2:
		return fmt.Sprintf("int(%s)", pick(a, a.real(d), a.whole(d)))
	case 3:
		return fmt.Sprintf("(%s ? %s : %s)", a.flag(d), a.whole(d), a.whole(d))
	case 4:
		return "-(" + a.whole(d) + ")"
	default:
		return fmt.Sprintf("(%s %s %s)", a.whole(d), pick(a, "+", "-", "*", "/", "/", "%"), a.whole(d))
	}
}

func (a *author) real(depth int) string {
	if depth <= 0 || a.random.IntN(2) == 0 {
		return pick(a, pick(a, byType[Real]...), pick(a, "0.0", "1.0", "-1.5", "0.25", "1e300", "9223372036854775808.0"))
	}
	d := depth - 1
	switch a.random.IntN(5) {
	case 0:
		return fmt.Sprintf("double(%s)", pick(a, a.real(d), a.whole(d)))
	case 1:
		return fmt.Sprintf("(%s ? %s : %s)", a.flag(d), a.real(d), a.real(d))
	case 2:
		return "-(" + a.real(d) + ")"
	default:
		return fmt.Sprintf("(%s %s %s)", a.real(d), pick(a, "+", "-", "*", "/"), a.real(d))
	}
}

// frame fills every field of a scene and a candidate, those that may be unknown half of the time.
func (a *author) frame() *frame {
	f := &frame{scene: &Scene{}, candidate: &Candidate{}}
	a.fill(reflect.ValueOf(f.scene).Elem())
	a.fill(reflect.ValueOf(f.candidate).Elem())
	f.scene.Moment.Minute, f.scene.Moment.Weekday = a.random.IntN(1440), a.random.IntN(7)
	f.scene.MinorPerUnit = pick[int64](a, 0, 1, 100, 1000)
	return f
}

func (a *author) fill(v reflect.Value) {
	switch value := v.Addr().Interface().(type) {
	case *Maybe[int64]:
		*value = Maybe[int64]{Value: pick(a, testWhole...), Known: a.random.IntN(2) == 0}
		return
	case *Maybe[float64]:
		*value = Maybe[float64]{Value: pick(a, testReals...), Known: a.random.IntN(2) == 0}
		return
	case *Maybe[bool]:
		*value = Maybe[bool]{Value: a.random.IntN(2) == 0, Known: a.random.IntN(2) == 0}
		return
	case *who.Money:
		*value = who.Money{Minor: pick[int64](a, 0, 1, 100, 250, -100), Known: a.random.IntN(3) > 0}
		return
	case *[]string:
		*value = nil
		for range a.random.IntN(4) {
			*value = append(*value, pick(a, testTexts...))
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Unix" { // no condition reads it
				a.fill(v.Field(i))
			}
		}
	case reflect.Bool:
		v.SetBool(a.random.IntN(2) == 0)
	case reflect.String:
		v.SetString(pick(a, testTexts...))
	case reflect.Int, reflect.Int64:
		v.SetInt(pick(a, testWhole...))
	case reflect.Float64:
		v.SetFloat(pick(a, testReals...))
	default:
		panic("a field of a kind that the test does not fill: " + v.Type().String())
	}
}

// TestClosuresAgainstCEL holds the closures to CEL's own interpreter: the same result or the same fault, for
// conditions of the whole language over scenes of all values. The terms of a condition, taken together,
// must say the same again.
func TestClosuresAgainstCEL(t *testing.T) {
	t.Parallel()
	conditions, frames := 400, 100
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		conditions, frames = 12_000, 100
	}
	lang, err := dialect()
	if err != nil {
		t.Fatal(err)
	}
	a := &author{random: rand.New(rand.NewPCG(7, 11))}
	cases, faults, results := 0, 0, map[truth]int{}
	for range conditions {
		source := a.flag(1 + a.random.IntN(4))
		checked, issues := lang.Compile(source)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", source, issues.Err())
		}
		c := new(formula)
		if err := c.build(checked); err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		program, err := lang.Program(checked)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		for range frames {
			f := a.frame()
			want := interpreted(t, program, f)
			if got := c.whole(f); got != want {
				t.Fatalf("%s\ngot %d (%s), CEL says %d (%s)\nscene %+v\ncandidate %+v", source, got, got.fault(), want, want.fault(), *f.scene, *f.candidate)
			}
			parts := make([]condition, len(c.terms))
			for i := range c.terms {
				parts[i] = c.terms[i].condition
			}
			if got := all(parts)(f); got != want {
				t.Fatalf("%s\nits terms say %d, CEL says %d", source, got, want)
			}
			if want == yes && c.keys != nil && !hasKey(c.keys, f.candidate) {
				t.Fatalf("%s\nholds of %+v, which has none of the keys %v", source, *f.candidate, c.keys)
			}
			cases++
			results[want]++
			if want < 0 {
				faults++
			}
		}
	}
	t.Logf("%d cases: %d no, %d yes, %d faults of %d sorts", cases, results[no], results[yes], faults, len(results)-2)
	for _, r := range []truth{no, yes, dividedByZero.truth(), moduloByZero.truth(), overflow.truth()} {
		if results[r] == 0 {
			t.Errorf("no case came to %d (%s)", r, r.fault())
		}
	}
}

func hasKey(keys []key, c *Candidate) bool {
	var x index
	for _, k := range keys {
		x.add(k, 0)
	}
	return len(x.find(nil, c)) > 0
}
