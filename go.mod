module remit

go 1.26.0

require github.com/moov-io/iso4217 v0.3.0 // indirect
