package main

import (
	"runtime"
	"runtime/debug"
)

// versionCmd says which version this is.
type versionCmd struct{}

// Run prints it.
func (versionCmd) Run(a *app) error {
	a.print("remit %s (%s %s/%s)", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is the module's, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
