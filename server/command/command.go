// Package command is the command line: one short file for each subcommand. Data goes to stdout, progress
// and summaries to stderr.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"satnav/config"
	"satnav/server/app"
	"satnav/server/observe"
)

// IO is what a command reads and writes beside files.
type IO struct {
	Out, Err io.Writer
	Environ  []string
}

// line is the whole command line.
type line struct {
	Serve    serve        `cmd:"" help:"Serve the API."`
	Demo     demoCommand  `cmd:"" help:"Seed the demo city, serve it, and print what to try."`
	Import   importFile   `cmd:"" help:"Import a file of stores, geofences, products, stock, purchases or events."`
	Token    token        `cmd:"" help:"Print a token, or make a key set for containers."`
	Check    check        `cmd:"" help:"Check the configuration, and geofence files if any are named."`
	Bench    benchmark    `cmd:"" help:"Measure /v1/context beside a bare handler, on the demo city."`
	Convert  convert      `cmd:"" help:"Convert a public data set into files for import."`
	Export   export       `cmd:"" help:"Write geofences as GeoJSON, NDJSON, WKT, CSV or KML."`
	Match    match        `cmd:"" help:"Tell which geofences hold each point of a file."`
	Evaluate evaluation   `cmd:"" help:"Measure suggestions on what happened."`
	Copy     copyStore    `cmd:"" help:"Copy an installation into another folder or database, and verify it."`
	Backup   backup       `cmd:"" help:"Back up the embedded store, while it serves or not, and verify it."`
	Erase    erase        `cmd:"" help:"Erase all that is known of shoppers, from the disk too."`
	Audit    auditCommand `cmd:"" help:"Verify the audit log."`
	Measures measures     `cmd:"" help:"Tell which test holds which promise about personal data, and what came of it last."`
	Restore  restore      `cmd:"" help:"Restore a backup into an empty data folder."`
	Replay   replay       `cmd:"" help:"Take a recorded track through geofences: every crossing with its reason."`
	Simulate simulate     `cmd:"" help:"Tell what rules would do, on moments at which shoppers shopped."`
}

// exit is an error with an exit code of its own.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// Run runs one command and returns the exit code of the process.
func Run(ctx context.Context, args []string, std IO) int {
	var l line
	code := -1
	parser, err := kong.New(&l,
		kong.Name("satnav"),
		kong.Description("The personal shopping sat-nav: who, where and when in; suggestions and geofence triggers out."),
		kong.Writers(std.Out, std.Err),
		kong.Exit(func(c int) { code = c }),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.Err, "satnav:", err)
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if code >= 0 { // --help has been printed
		return code
	}
	if err != nil {
		fmt.Fprintf(std.Err, "satnav: %v\nrun \"satnav --help\" for what there is\n", err)
		return 1
	}
	if err := parsed.Run(); err != nil {
		var coded *exit
		if errors.As(err, &coded) {
			if coded.err != nil {
				fmt.Fprintln(std.Err, "satnav:", coded.err)
			}
			return coded.code
		}
		fmt.Fprintln(std.Err, "satnav:", err)
		return 1
	}
	return 0
}

// knobs are the flags that stand over the configuration file and the environment.
type knobs struct {
	Config string   `help:"Configuration file (YAML)." placeholder:"FILE" env:"SATNAV_CONFIG"`
	Set    []string `help:"Set any knob of the configuration: --set limits.body=1MiB." placeholder:"KNOB=VALUE" sep:"none"`
}

// openFolder opens what a data folder holds. A folder that is not there is not made.
func (k knobs) openFolder(ctx context.Context, std IO, data string) (*app.App, error) {
	c, _, err := k.load(std, map[string]string{"data": data})
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.Data); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
}

// load reads the configuration; flags holds further knobs, those with an empty value were not given.
func (k knobs) load(std IO, flags map[string]string) (config.Config, config.Origins, error) {
	from := config.Sources{FileName: k.Config, Environ: std.Environ, Flags: map[string]string{}}
	if k.Config != "" {
		text, err := os.ReadFile(k.Config)
		if err != nil {
			return config.Config{}, nil, fmt.Errorf("configuration: %w", err)
		}
		from.File = text
	}
	for name, value := range flags {
		if value != "" {
			from.Flags[name] = value
		}
	}
	for _, set := range k.Set {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return config.Config{}, nil, fmt.Errorf("--set %q: want KNOB=VALUE, such as limits.body=1MiB", set)
		}
		from.Flags[name], from.Said = value, append(from.Said, name)
	}
	c, origins, err := config.Load(from)
	var problems config.Problems
	if errors.As(err, &problems) {
		lines := make([]string, len(problems))
		for i, p := range problems {
			lines[i] = "  " + p.String()
		}
		slices.Sort(lines)
		return c, nil, fmt.Errorf("the configuration is wrong:\n%s", strings.Join(lines, "\n"))
	}
	return c, origins, err
}

// logger writes to stderr as the configuration says.
func logger(std IO, c config.Config) *slog.Logger {
	return observe.NewLogger(std.Err, c.Log.Level, c.Log.Format)
}
