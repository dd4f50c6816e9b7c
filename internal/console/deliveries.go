package console

import (
	"strconv"
	"strings"

	"remit"
	"remit/store"
)

var deliveryStates = []remit.DeliveryState{remit.DeliveryDue, remit.DeliveryDelivered, remit.DeliveryDead}

// deliveries lists a merchant's notifications by state.
func (c *Console) deliveries(v *visit) error {
	state := remit.DeliveryState(v.FormValue("state"))
	f := store.DeliveryFilter{Merchant: v.merchant.ID, State: state, Underway: state == remit.DeliveryDue, Newest: true, Max: rowsMax + 1}
	if text := v.FormValue("after"); text != "" {
		var ok bool
		if f.After, ok = workID(text); !ok {
			return remit.Errorf(remit.Invalid, "", "There is no notification %q.", text)
		}
	}
	list, err := c.store.Deliveries(v.Context(), f)
	if err != nil {
		return err
	}
	list, last := most(list, func(d store.Delivered) string { return d.ID.String() })
	v.render(200, "deliveries", "deliveries", "Deliveries", map[string]any{"List": list, "Last": last, "State": state, "States": deliveryStates})
	return nil
}

// workID reads what WorkID.String wrote.
func workID(text string) (id remit.WorkID, ok bool) {
	a, b, found := strings.Cut(text, ".")
	seq, err1 := strconv.ParseInt(a, 10, 64)
	n, err2 := strconv.ParseInt(b, 10, 64)
	return remit.WorkID{Seq: seq, N: n}, found && err1 == nil && err2 == nil
}

// delivered is the visit's notification.
func (c *Console) delivered(v *visit) (x store.Delivered, err error) {
	none := remit.Errorf(remit.NotFound, "", "There is no notification %q.", v.PathValue("id"))
	id, ok := workID(v.PathValue("id"))
	if !ok {
		return x, none
	}
	all, err := c.store.Deliveries(v.Context(), store.DeliveryFilter{Merchant: v.merchant.ID, ID: id, Max: 1})
	if err != nil || len(all) == 0 {
		if err == nil {
			err = none
		}
		return x, err
	}
	return all[0], nil
}

// delivery shows one notification: what goes out, what came back each time,
// and what two attempts differ in.
func (c *Console) delivery(v *visit) error {
	d, err := c.delivered(v)
	if err != nil {
		return err
	}
	at := d.Created // of the newest attempt, once there is one
	if n := len(d.Log); n > 0 {
		at = d.Log[n-1].At
	}
	data := map[string]any{"D": d, "Request": c.request(v, d.Delivery, at)}
	if n := len(d.Log); n > 1 {
		left, right := d.Log[chosen(v.FormValue("left"), n-1, n)], d.Log[chosen(v.FormValue("right"), n, n)]
		data["Left"], data["Right"], data["Diff"] = left, right, difference(mask(left.Response), mask(right.Response))
	}
	v.render(200, "delivery", "deliveries", "Notification "+d.ID.String(), data)
	return nil
}

// chosen is the place of the attempt that a parameter names, or of another.
func chosen(text string, otherwise, n int) int {
	i, err := strconv.Atoi(text)
	if err != nil || i < 1 || i > n {
		i = otherwise
	}
	return i - 1
}

// line is one line of a difference: both have it, or the left or the right.
type line struct {
	Side string // "both", "left" or "right"
	Text string
}

// linesMax is how many lines of each text are compared.
const linesMax = 200

// difference lays two texts over each other, line by line, with as many lines
// in common as they have.
func difference(left, right string) (all []line) {
	a, b := split(left), split(right)
	common := make([][]int, len(a)+1) // of what is behind each pair of places
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, line{"both", a[i]})
			i, j = i+1, j+1
		case j == len(b) || (i < len(a) && common[i+1][j] >= common[i][j+1]):
			all = append(all, line{"left", a[i]})
			i++
		default:
			all = append(all, line{"right", b[j]})
			j++
		}
	}
	return all
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[:min(len(lines), linesMax)]
}

// redeliver makes a delivery once more, with the same body.
func (c *Console) redeliver(v *visit) (out outcome, err error) {
	d, err := c.delivered(v)
	if err != nil {
		return out, err
	}
	out = outcome{to: v.path("deliveries", d.ID.String()), message: "It is sent once more."}
	if _, err = c.o.Node.Engine.Do(v.Context(), remit.Redeliver{Head: v.head("redeliver"), Delivery: d.ID}); err != nil {
		return out, err
	}
	return out, v.settle()
}
