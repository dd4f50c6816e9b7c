package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"remit"
	"remit/internal/catalog"
	"remit/internal/engine"
)

// ask is one refund that a merchant asks for until it has an answer.
type ask struct {
	merchant  remit.MerchantID
	order     string
	reference string
	body      []byte
	answer    string
	tries     int
}

// codeUnknown is the provider's word for trouble of its own: ask again.
const codeUnknown = 620

// load has all of asks answered, by so many callers at once. Who hears nothing
// sends the same bytes again, to whichever server is next.
func (in *installation) load(asks []*ask, callers int) {
	in.t.Helper()
	ctx, stop := context.WithTimeout(in.t.Context(), patience)
	defer stop()
	h := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer h.CloseIdleConnections()
	queue := make(chan *ask)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for a := range queue {
				for ctx.Err() == nil {
					server := in.servers[(len(a.reference)+a.tries)%len(in.servers)]
					a.tries++
					text, err := post(ctx, h, server.address, a.body)
					if c := code(text); err == nil && c != 0 && c != codeUnknown {
						a.answer = text
						break
					}
					time.Sleep(30 * time.Millisecond)
				}
			}
		})
	}
	for _, a := range asks {
		queue <- a
	}
	close(queue)
	wg.Wait()
	for _, a := range asks {
		if a.answer == "" {
			in.t.Fatalf("refund %s was never answered, in %d tries", a.reference, a.tries)
		}
	}
}

// asks are n refunds of each order.
func (in *installation) asks(family int, m remit.MerchantID, orders []string, each int, amount string) (asks []*ask) {
	for i, order := range orders {
		for j := range each {
			a := &ask{merchant: m, order: order, reference: fmt.Sprintf("%s-%d-%d-%d", m, family, i, j)}
			a.body = in.keys[m].request(uuid(family, i*each+j), order, amount, a.reference)
			asks = append(asks, a)
		}
	}
	return asks
}

// audit holds the installation to the claim of the house: every acknowledged
// refund is there once, none is there that was refused, the bank's own journal
// has paid each exactly once, and the books and the chain hold.
func (in *installation) audit(asks []*ask) {
	in.t.Helper()
	all := in.come()
	there := map[string]int{}
	for _, d := range all {
		there[d.Reference]++
	}
	accepted := 0
	for _, a := range asks {
		want := 0
		if code(a.answer) == 1 {
			want = 1
			accepted++
		}
		if there[a.reference] != want {
			in.t.Errorf("refund %s was answered %d after %d tries, and is there %d times", a.reference, code(a.answer), a.tries, there[a.reference])
		}
	}
	if len(all) != accepted {
		in.t.Errorf("%d refunds are there, %d were acknowledged", len(all), accepted)
	}
	again := 0
	for _, a := range asks[:min(len(asks), 40)] {
		text, err := post(in.t.Context(), http.DefaultClient, in.servers[again%len(in.servers)].address, a.body)
		must(in.t, err)
		if text != a.answer {
			in.t.Errorf("sent again, refund %s is answered otherwise:\n%s\n%s", a.reference, a.answer, text)
		}
		again++
	}
	booked := in.booked()
	for _, d := range all {
		if b := booked[d.EndToEndID()]; b.Paid != 1 || b.Amount != d.Amount {
			in.t.Errorf("refund %s of %s: the bank paid it %d times, %s", d.Reference, d.Amount, b.Paid, b.Amount)
		}
	}
	if len(booked) != len(all) {
		in.t.Errorf("the bank knows %d instructions, the books %d", len(booked), len(all))
	}
	in.t.Logf("%d asked, %d acknowledged, %d sent again and answered the same, %d paid once; %s", len(asks), accepted, again, len(booked), in.check())
}

// Nothing acknowledged is lost, and nothing is paid twice, however often the
// servers and the bank are killed (SIGKILL) under load: one hot payment that
// two hundred callers want the whole of, one hot merchant, and others. Payments
// that nobody pays meanwhile expire, each once.
func TestKilledAtRandomUnderLoad(t *testing.T) {
	t.Parallel()
	kills := 12
	if n, err := strconv.Atoi(os.Getenv("REMIT_KILLS")); err == nil {
		kills = n
	}
	eachStore(t, func(t *testing.T, dsn string, servers int) {
		in := install(t, dsn, servers, "acme", "globex")
		unpaid := in.abandoned("acme", 40, 100*time.Millisecond)
		hot := in.deposits("acme", 1, 100_00)
		asks := in.asks(1, "acme", hot, 200, "1.00")
		rnd := rand.New(rand.NewPCG(uint64(servers), 1))
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			victims := append([]*process{in.bank}, in.servers...)
			rnd := rand.New(rand.NewPCG(uint64(servers), 2))
			for range kills {
				time.Sleep(time.Duration(100+rnd.IntN(400)) * time.Millisecond)
				v := victims[rnd.IntN(len(victims))]
				v.kill()
				v.start()
			}
		}()
		for round := 2; ; round += 2 {
			todo := in.asks(round, "acme", in.deposits("acme", 150, 10_00), 1, "10.00")
			todo = append(todo, in.asks(round+1, "globex", in.deposits("globex", 50, 10_00), 2, "5.00")...)
			if round == 2 {
				todo = append(todo, asks...)
				asks = nil
			}
			rnd.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
			in.load(todo, 24)
			asks = append(asks, todo...)
			if closed(killed) {
				break
			}
		}
		accepted := 0
		for _, a := range asks {
			if a.order == hot[0] && code(a.answer) == 1 {
				accepted++
			}
		}
		if accepted != 100 {
			t.Errorf("%d refunds of 1.00 were accepted of a payment of 100.00", accepted)
		}
		in.expired(unpaid)
		in.audit(asks)
		t.Logf("%d kills", kills)
	})
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// shareWait is how long a server has to take its share of some work.
const shareWait = 2 * time.Second

// The same, with a process killed at each point of a commit and of a sending,
// at its second passing, and the bank at each point of its own.
func TestKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, dsn string, servers int) {
		in := install(t, dsn, servers, "acme")
		points := append(catalog.StorePoints(), engine.PointCommitted, engine.PointMarked, engine.PointSubmitted)
		var bank []string
		for _, p := range catalog.BankPoints {
			bank = append(bank, p)
		}
		var all []*ask
		round := 0
		for i, point := range append(points, bank...) {
			victim := in.servers[0]
			if i >= len(points) {
				victim = in.bank
			}
			victim.kill()
			victim.start("REMIT_CRASH_AT=" + point + ":2")
			gone := make(chan struct{})
			go func() {
				<-victim.exited
				victim.start()
				close(gone)
			}()
			// Of two servers the other may take the work: there is more of it
			// until this one has passed the point twice.
			for deadline := time.Now().Add(patience); !closed(gone); {
				if time.Now().After(deadline) {
					t.Fatalf("nothing passed %s twice", point)
				}
				round++
				asks := in.asks(round, "acme", in.deposits("acme", 12, 10_00), 1, "10.00")
				in.load(asks, 6)
				all = append(all, asks...)
				select {
				case <-gone:
				case <-time.After(shareWait):
				}
			}
			in.come()
		}
		in.audit(all)
	})
}
