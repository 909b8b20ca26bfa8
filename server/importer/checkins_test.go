package importer

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const checkins = "user,seq,minute,poi,lat,lng,split\n" +
	"1,0,60,cafe,40.70,-74.00,train\n" +
	"1,1,1500,park,40.78,-73.97,train\n" +
	"2,0,90,cafe,40.72,-74.02,test\n"

func TestConvertCheckins(t *testing.T) {
	t.Parallel()
	var fences, track, stores, visits strings.Builder
	got, err := ConvertCheckins(strings.NewReader(checkins), &fences, &track, CheckinOptions{
		Start: time.Date(2012, 4, 1, 0, 0, 0, 0, time.UTC), Stores: &stores, Visits: &visits,
	})
	if err != nil || got != (CheckinSummary{Users: 2, Places: 2, Checkins: 3, Fixes: 2}) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for _, file := range []struct{ name, got, want string }{
		{"geofences", fences.String(), `{"geometry":{"coordinates":[-74.01,40.71],"type":"Point"},"id":"cafe","properties":{"radius_m":50},"type":"Feature"}` + "\n" +
			`{"geometry":{"coordinates":[-73.97,40.78],"type":"Point"},"id":"park","properties":{"radius_m":50},"type":"Feature"}` + "\n"},
		{"track", track.String(), "t,lat,lng,accuracy_m\n2012-04-01T01:00:00Z,40.70,-74.00,10\n2012-04-02T01:00:00Z,40.78,-73.97,10\n"},
		{"stores", stores.String(), "store,lat,lng\ncafe,40.71,-74.01\npark,40.78,-73.97\n"},
		{"visits", visits.String(), "shopper,id,kind,store,at\n1,c0,visit,cafe,2012-04-01T01:00:00Z\n1,c1,visit,park,2012-04-02T01:00:00Z\n2,c0,visit,cafe,2012-04-01T01:30:00Z\n"},
	} {
		if file.got != file.want {
			t.Errorf("%s: got\n%swant\n%s", file.name, file.got, file.want)
		}
	}
	var sink memory
	for kind, file := range map[Kind]string{KindStores: stores.String(), KindEvents: visits.String(), KindGeofences: fences.String()} {
		if got, err := Run(t.Context(), kind, strings.NewReader(file), &sink, Options{}); err != nil || got.Refused != 0 || got.Stored == 0 {
			t.Errorf("%s: got %+v, %v", kind, got, err)
		}
	}
}

// TestCheckinsEnd holds that without a start the last check-in, whoever's it is, falls into the minute of End.
func TestCheckinsEnd(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 11, 22, 9, 14, 59, 0, time.UTC)
	for _, tc := range []struct {
		name, user string
		opts       CheckinOptions
		want       []string
	}{
		{"the user of the last check-in", "1", CheckinOptions{End: end}, []string{"2026-11-21T09:14:00Z", "2026-11-22T09:14:00Z"}},
		{"another user", "2", CheckinOptions{End: end}, []string{"2026-11-21T09:44:00Z"}},
		{"a start counts more", "2", CheckinOptions{Start: end.Add(-time.Hour), End: end}, []string{"2026-11-22T09:44:59Z"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var track strings.Builder
			tc.opts.User = tc.user
			if _, err := ConvertCheckins(strings.NewReader(checkins), new(strings.Builder), &track, tc.opts); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, line := range strings.Split(strings.TrimSpace(track.String()), "\n")[1:] {
				at, _, _ := strings.Cut(line, ",")
				got = append(got, at)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestConvertCheckinsRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, give, user, want string
	}{
		{"column missing", "user,seq,minute,poi,lat\n", "", "missing column lng"},
		{"latitude", "user,seq,minute,poi,lat,lng\n1,0,0,a,95,0\n", "", "line 2: latitude: got 95"},
		{"word for degrees", "user,seq,minute,poi,lat,lng\n1,0,0,a,north,0\n", "", `line 2: got "north", want degrees`},
		{"negative minute", "user,seq,minute,poi,lat,lng\n1,0,-4,a,5,0\n", "", `line 2, minute: got "-4"`},
		{"unknown user", checkins, "9", `user "9" is not in the file`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, end := range []time.Time{{}, time.Now()} { // read once, and twice
				opts := CheckinOptions{User: test.user, End: end}
				if _, err := ConvertCheckins(strings.NewReader(test.give), new(strings.Builder), new(strings.Builder), opts); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want …%s", err, test.want)
				}
			}
		})
	}
}
