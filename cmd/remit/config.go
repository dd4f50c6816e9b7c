package main

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"remit/internal/node"
	"remit/internal/requestlog"
	"remit/internal/server"
	"remit/internal/vault"
)

// config is every setting. A setting that is left out has a safe value; docs/reference/config.md
// lists them. Each can also be given by the environment: the key in capitals,
// with REMIT_ in front and _ for the point.
type config struct {
	Store         string        `koanf:"store" help:"Where everything is kept: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE."`
	MasterKeyFile string        `koanf:"master_key_file" help:"File with the master key, which only its owner may read. REMIT_MASTER_KEY can hold the key itself instead."`
	Listen        string        `koanf:"listen" help:"Address on which merchants are answered."`
	PublicURL     string        `koanf:"public_url" help:"Under which merchants and payers reach us: https://HOST. Left out, it is what each request names."`
	AdminListen   string        `koanf:"admin_listen" help:"Address of health, metrics and profiles. Whoever reaches it is not asked who they are."`
	Console       string        `koanf:"console" help:"Where the console is: admin for the admin listener, off for nowhere."`
	ConsoleUsers  string        `koanf:"console_users_file" help:"File of who may log in to the console, a line of remit console password for each. Without it whoever reaches a loopback admin listener is let in, and another listener has no console."`
	Proxies       []string      `koanf:"trusted_proxies" help:"Addresses or ranges of proxies of ours, whose X-Forwarded-For is believed, read from the right, for merchants and for the console. Forwarded is not read: a proxy may pass on what a stranger wrote there."`
	NotifyAllow   []string      `koanf:"notification_allow" help:"Addresses or ranges that are not public and that notifications may go to all the same."`
	Lanes         int           `koanf:"lanes" help:"How many groups of commands are decided side by side. One is right for SQLite."`
	WorkLease     time.Duration `koanf:"work_lease" help:"How long a process has a piece of work for itself. If it dies, another takes the work over after that: longer than any call to a rail (20s) or a merchant (10s)."`
	StopNotice    time.Duration `koanf:"stop_notice" help:"How long /readyz says no, once the process is told to stop, before the listener closes: so that whoever spreads the load has seen it."`
	RequestLog    int           `koanf:"request_log_days" help:"How many days requests are kept, masked and sealed, for the console's page of requests. 0 keeps none, and forgets those that are there."`
	Mail          mails         `koanf:"mail"`
	Rails         rails         `koanf:"rails"`
	Log           logging       `koanf:"log"`
}

type mails struct {
	Server   string `koanf:"server" help:"Mail server, HOST:PORT, that mails to payers are handed to. Left out, such mails fail and wait. It must offer encryption unless it is on this machine."`
	From     string `koanf:"from" help:"Address that mails to payers come from, with or without a name."`
	User     string `koanf:"user" help:"What the mail server knows us by. Left out, we do not log in."`
	Password string `koanf:"password" help:"And our password there."`
}

type rails struct {
	Simulator simulated `koanf:"simulator"`
}

type simulated struct {
	Journal string        `koanf:"journal" help:"The simulated bank runs in this process, with its journal in this file. Only one process can have it open, and the store goes with no other bank from then on."`
	URL     string        `koanf:"url" help:"The simulated bank is a remit bank at this URL, which several processes can share."`
	Token   string        `koanf:"token" help:"What that bank knows us by."`
	Delay   time.Duration `koanf:"delay" help:"How long after the hand-over the bank in this process settles."`
}

type logging struct {
	Level  string `koanf:"level" help:"The least important lines that are written: debug, info, warn or error."`
	Format string `koanf:"format" help:"text or json."`
}

// unset is a config of which nothing is read: what is left out where 0 can be
// meant.
func unset() config { return config{RequestLog: requestlog.DaysDefault} }

// withDefaults fills in what was left out.
func (c config) withDefaults() config {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8080")
	c.AdminListen = cmp.Or(c.AdminListen, "127.0.0.1:8081")
	c.Console = cmp.Or(c.Console, consoleOnAdmin)
	c.Lanes = cmp.Or(c.Lanes, 1)
	c.WorkLease = cmp.Or(c.WorkLease, node.WorkLeaseDefault)
	c.StopNotice = cmp.Or(c.StopNotice, 2*time.Second)
	c.Rails.Simulator.Delay = cmp.Or(c.Rails.Simulator.Delay, 10*time.Second)
	c.Log.Level = cmp.Or(c.Log.Level, "info")
	c.Log.Format = cmp.Or(c.Log.Format, "text")
	return c
}

// setting is one leaf of a config.
type setting struct {
	key, help string
	value     reflect.Value
}

func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// settings lists the leaves of a config in their order.
func settings(c config) []setting { return leaves(reflect.ValueOf(c), "") }

func leaves(v reflect.Value, prefix string) (all []setting) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := prefix + f.Tag.Get("koanf")
		if f.Type.Kind() == reflect.Struct {
			all = append(all, leaves(v.Field(i), key+".")...)
			continue
		}
		all = append(all, setting{key, f.Tag.Get("help"), v.Field(i)})
	}
	return all
}

const envPrefix = "REMIT_"

// The environment variables that are no settings.
const (
	envMasterKey  = "REMIT_MASTER_KEY"
	envConfig     = "REMIT_CONFIG"
	envCrashAt    = "REMIT_CRASH_AT"
	envCrashTests = "REMIT_CRASH_TESTS"
)

// environment is what os.Environ answers.
type environment []string

// get is the value of a variable; "" if there is none.
func (e environment) get(name string) string {
	for _, line := range e {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	return ""
}

// loadConfig reads a file, if one is named, and the environment over it.
func loadConfig(path string, environ environment) (config, error) {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return config{}, fmt.Errorf("the configuration %s cannot be read: %w", path, err)
		}
	}
	known := settings(config{})
	for _, key := range k.Keys() {
		if near, ok := nearest(key, keysOf(known)); !ok {
			return config{}, hinted{fmt.Errorf("the configuration %s has a key %q, which is no setting", path, key), "did you mean " + near}
		}
	}
	if err := fromEnvironment(k, known, environ); err != nil {
		return config{}, err
	}
	c := unset()
	if err := k.Unmarshal("", &c); err != nil {
		return config{}, fmt.Errorf("the configuration: %w", err)
	}
	for _, s := range settings(c) {
		if s.value.CanInt() && s.value.Int() < 0 {
			return config{}, fmt.Errorf("the setting %s is below zero", s.key)
		}
	}
	return c.withDefaults(), nil
}

func keysOf(all []setting) (keys []string) {
	for _, s := range all {
		keys = append(keys, s.key)
	}
	return keys
}

// fromEnvironment lays the environment over what a file says. A variable that
// is one slip away from a setting is an error; what is named otherwise is
// somebody else's.
func fromEnvironment(k *koanf.Koanf, known []setting, environ environment) error {
	byName, names := map[string]setting{}, []string{envMasterKey, envConfig, envCrashAt, envCrashTests}
	for _, s := range known {
		byName[s.env()] = s
		names = append(names, s.env())
	}
	for _, line := range environ {
		name, _, _ := strings.Cut(line, "=")
		if near, ok := nearest(name, names); !ok && distance(name, near) <= slipMax {
			return hinted{fmt.Errorf("the environment has %s, which is no setting", name), "did you mean " + near}
		}
	}
	return k.Load(env.Provider(".", env.Opt{
		Prefix: envPrefix, EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			s, ok := byName[name]
			switch {
			case !ok:
				return "", nil
			case s.value.Kind() == reflect.Slice:
				return s.key, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
			}
			return s.key, value
		},
	}), nil)
}

// slipMax is how many letters a name may be off to be taken for another one.
const slipMax = 2

// nearest is the name that is most like a word, and whether it is the word. A
// beginning that they share counts for it.
func nearest(word string, names []string) (near string, same bool) {
	least := len(word) + 1<<10
	for _, n := range names {
		begin := 0
		for begin < min(len(word), len(n)) && word[begin] == n[begin] {
			begin++
		}
		if d := distance(word, n) - begin; d < least {
			least, near = d, n
		}
	}
	return near, near == word
}

// distance counts the letters to add, drop or change between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// prefixes reads the ranges of a setting.
func prefixes(key string, lines []string) (all []netip.Prefix, err error) {
	for _, line := range lines {
		p, err := server.ParsePrefix(line)
		if err != nil {
			return nil, fmt.Errorf("the setting %s: %q is neither an address nor a range", key, line)
		}
		all = append(all, p)
	}
	return all, nil
}

// origin checks that a URL is a scheme and a host, and nothing more.
func origin(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.String() != u.Scheme+"://"+u.Host {
		return "", fmt.Errorf("the setting public_url: %q is not https://HOST", text)
	}
	return u.String(), nil
}

// othersMay are the permissions of a file for all but its owner.
const othersMay fs.FileMode = 0o077

// masterKey reads the installation's master key.
func masterKey(c config, environ environment) ([]byte, error) {
	text := environ.get(envMasterKey)
	switch {
	case text != "" && c.MasterKeyFile != "":
		return nil, fmt.Errorf("the master key is given twice: by %s and by master_key_file", envMasterKey)
	case c.MasterKeyFile != "":
		info, err := os.Stat(c.MasterKeyFile)
		if err != nil {
			return nil, fmt.Errorf("the master key: %w", err)
		}
		if info.Mode()&othersMay != 0 {
			return nil, hinted{fmt.Errorf("others than its owner may use the master key's file %s", c.MasterKeyFile), "chmod 600 " + c.MasterKeyFile}
		}
		raw, err := os.ReadFile(c.MasterKeyFile)
		if err != nil {
			return nil, fmt.Errorf("the master key: %w", err)
		}
		text = string(raw)
	case text == "":
		return nil, hinted{fmt.Errorf("there is no master key: set %s or master_key_file", envMasterKey), "remit key master makes one"}
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != vault.MasterKeyBytes {
		return nil, fmt.Errorf("the master key is not %d bytes in base64", vault.MasterKeyBytes)
	}
	return key, nil
}
