package main

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/catalog"
	"remit/internal/server"
)

// merchantSettingsCmd shows a merchant's switches, or changes some of them.
type merchantSettingsCmd struct {
	ID         string            `arg:"" help:"The merchant's id."`
	Name       string            `help:"What people call it."`
	Disable    bool              `help:"Refuse whatever it asks." xor:"able"`
	Enable     bool              `help:"Let it ask again." xor:"able"`
	IPAllow    string            `name:"ip-allow" help:"Who may ask for it: any, none, or addresses and ranges with commas." placeholder:"LIST"`
	Function   map[string]bool   `help:"Whether it may call a function, by the provider's name: Refund=false." placeholder:"NAME=BOOL"`
	Switch     map[string]bool   `help:"An optional power: payout_confirmation=true." placeholder:"NAME=BOOL"`
	SendWindow *time.Duration    `help:"How long what was accepted can still be called back before it is sent." placeholder:"DURATION"`
	Shield     string            `help:"What becomes of a refund that equals an earlier one, where the API has no idempotency keys: off, warn, hold or reject." enum:",off,warn,hold,reject" default:"" placeholder:"MODE"`
	ShieldFor  *time.Duration    `help:"How long the shield remembers a refund." placeholder:"DURATION"`
	Config     map[string]string `name:"set" help:"A setting of one API, by its page: trustlyus.over_balance_code=331; without a value it ends." placeholder:"NAME=VALUE"`
}

// Run shows the settings as they are then.
func (c merchantSettingsCmd) Run(a *app) error {
	list, err := addresses(c.IPAllow)
	if err != nil {
		return misuse{err}
	}
	if c.SendWindow != nil && *c.SendWindow < 0 {
		return misuse{fmt.Errorf("--send-window is below zero")}
	}
	if c.ShieldFor != nil && *c.ShieldFor <= 0 {
		return misuse{fmt.Errorf("--shield-for is not above zero")}
	}
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := dialect.Misnamed(slices.Values(catalog.Dialects()), c.named()); err != nil {
			return err
		}
		if c.changes() {
			_, err = d.Engine.Do(ctx, remit.ChangeSettings{
				Head: d.Engine.Head(m.ID, operator(), "remit merchant settings"), Change: func(s *remit.Settings) { c.change(s, list) },
			})
			if err != nil {
				return err
			}
			if m, err = d.merchant(ctx, c.ID); err != nil {
				return err
			}
			a.say("every process goes by this within a second")
		}
		return a.printJSON(m.Settings)
	})
}

// named are the names that the flags set to something. The sandbox's switch is
// no dialect's.
func (c merchantSettingsCmd) named() remit.Settings {
	s := remit.Settings{Functions: c.Function, Switches: maps.Clone(c.Switch), Config: maps.Clone(c.Config)}
	delete(s.Switches, remit.SwitchSandbox)
	maps.DeleteFunc(s.Config, func(_, value string) bool { return value == "" })
	return s
}

// changes tells whether any flag was given.
func (c merchantSettingsCmd) changes() bool {
	return !reflect.DeepEqual(c, merchantSettingsCmd{ID: c.ID})
}

func (c merchantSettingsCmd) change(s *remit.Settings, list []string) {
	if c.Name != "" {
		s.Name = c.Name
	}
	if c.Disable || c.Enable {
		s.Disabled = c.Disable
	}
	if c.IPAllow != "" {
		s.IPAllow = list
	}
	if c.SendWindow != nil {
		s.SendWindowMicros = c.SendWindow.Microseconds()
	}
	if c.Shield != "" {
		s.Shield = remit.Shield(strings.TrimSuffix(c.Shield, shieldOff))
	}
	if c.ShieldFor != nil {
		s.ShieldMicros = c.ShieldFor.Microseconds()
	}
	s.Functions, s.Switches, s.Config = with(s.Functions, c.Function), with(s.Switches, c.Switch), with(s.Config, c.Config)
	maps.DeleteFunc(s.Config, func(_, value string) bool { return value == "" })
}

// shieldOff is what people call remit.ShieldOff, which is no word.
const shieldOff = "off"

// with is a map with others laid over it.
func with[V any](m, over map[string]V) map[string]V {
	if m == nil {
		return maps.Clone(over)
	}
	maps.Copy(m, over)
	return m
}

// addresses reads a list of who may ask: nil is anybody.
func addresses(text string) ([]string, error) {
	switch text {
	case "", "any":
		return nil, nil
	case "none":
		return []string{}, nil
	}
	list := strings.Split(text, ",")
	for _, line := range list {
		if _, err := server.ParsePrefix(line); err != nil {
			return nil, fmt.Errorf("--ip-allow: %q is neither an address nor a range", line)
		}
	}
	return list, nil
}
