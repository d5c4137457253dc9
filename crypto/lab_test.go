// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nicwright/internal/await"
	"nicwright/internal/netdev"
	"nicwright/internal/netns"
	"nicwright/internal/pci"
)

const labPF = pci.Address("0001:3b:00.0")

// killedEnv makes the test binary a proof that is to be killed.
const killedEnv = "NICWRIGHT_TEST_PROOF_TO_BE_KILLED"

func TestMain(m *testing.M) {
	if os.Getenv(killedEnv) != "" {
		size := int64(1 << 40)
		fmt.Println(ProveKTLS(context.Background(), ProofRequest{From: pci.VF(labPF, 0), To: pci.VF(labPF, 1), Cipher: DefaultCipher, Bytes: &size}))
		return
	}
	os.Exit(m.Run())
}

// vfPair makes two VFs of a port in legacy mode and gives their netdevs.
func vfPair(t *testing.T, ctx context.Context) (from, to netdev.Link) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	numVFs := fmt.Sprintf("/sys/bus/pci/devices/%s/sriov_numvfs", labPF)
	write := func(n string) {
		if err := os.WriteFile(numVFs, []byte(n), 0o200); err != nil {
			t.Fatal(err)
		}
	}
	write("0")
	t.Cleanup(func() { write("0") })
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+string(labPF), "mode", "legacy")
	events, err := await.Links(ctx)
	if err != nil {
		t.Fatal(err)
	}
	write("2")
	for i, l := range []*netdev.Link{&from, &to} {
		err := await.Until(ctx, "the VF has a netdev", events, func() (bool, error) {
			var err error
			*l, err = netdev.OfFunction(ctx, pci.VF(labPF, i))
			return err == nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return from, to
}

func witness(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// looks is what a proof has to leave as it was.
func looks(t *testing.T, links ...netdev.Link) string {
	t.Helper()
	var b strings.Builder
	for _, l := range links {
		fields := strings.Fields(witness(t, "ip", "-br", "link", "show", "dev", l.Name))
		b.WriteString(fields[0] + " " + fields[2] + " " + fields[3] + "\n")
		b.WriteString(witness(t, "ip", "-br", "-4", "addr", "show", "dev", l.Name) + "\n")
	}
	return b.String() + witness(t, "ip", "netns", "list")
}

func TestLabProof(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	from, to := vfPair(t, ctx)
	witness(t, "ip", "link", "set", to.Name, "up")
	before := looks(t, from, to)
	size := int64(1<<20 + 1)
	prove := func(cipher string) Proof {
		p := ProveKTLS(ctx, ProofRequest{From: from.Function, To: to.Function, Cipher: cipher, Bytes: &size})
		if after := looks(t, from, to); after != before {
			t.Errorf("the VFs are not as they were:\n%s\nbefore:\n%s", after, before)
		}
		return p
	}
	for cipher := range suites {
		if p := prove(cipher); p.Verdict != Offloaded {
			t.Errorf("%s: %+v", cipher, p)
		}
	}
	witness(t, "ethtool", "-K", from.Name, featTLSTx, "off")
	if p := prove(DefaultCipher); p.Verdict != Software || !strings.Contains(p.Reason, featTLSTx+" is off") {
		t.Errorf("with %s off: %+v", featTLSTx, p)
	}
	if out := witness(t, "ethtool", "-k", from.Name); !strings.Contains(out, featTLSTx+": off") {
		t.Errorf("the proof switched %s on again", featTLSTx)
	}
	witness(t, "ip", "addr", "add", "192.0.2.77/24", "dev", from.Name)
	before = looks(t, from, to)
	if p := prove(DefaultCipher); p.Verdict != NotPossible || !strings.Contains(p.Reason, "192.0.2.77") {
		t.Errorf("with a VF in use: %+v", p)
	}
}

func TestLabKilledProofIsCleanedUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	from, to := vfPair(t, ctx)
	witness(t, "ip", "link", "set", from.Name, "up")
	before := looks(t, from, to)
	events, err := await.Links(ctx)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), killedEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err = await.Until(ctx, "the VFs are in their namespaces", events, func() (bool, error) {
		all, err := netdev.All(ctx)
		if err != nil {
			return false, err
		}
		for _, l := range all {
			if l.Function == to.Function && !l.Representor {
				return false, nil
			}
		}
		return true, nil
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if names, err := netns.List(nsPrefix); err != nil || len(names) == 0 {
		t.Fatalf("it was killed too late or too early: %v, %v", names, err)
	}
	if err := CleanProofs(ctx); err != nil {
		t.Fatal(err)
	}
	if after := looks(t, from, to); after != before {
		t.Errorf("the VFs are not as they were:\n%s\nbefore:\n%s", after, before)
	}
	if _, err := os.Stat(recordPath); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", recordPath, err)
	}
}
