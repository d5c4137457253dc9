// SPDX-License-Identifier: Apache-2.0

package metrics

import "github.com/prometheus/client_golang/prometheus"

// Family is one metric.
type Family struct {
	Name   string
	Help   string
	Kind   prometheus.ValueType
	Labels []string
}

// Families are all metrics there are, in the order of docs/watch.md.
func Families() []Family {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	return []Family{
		{"nicwright_drift", "Attributes of the resource that are not as the profile wants; no series where all are.", gauge, []string{"profile", "resource"}},
		{"nicwright_drifts", "Attributes of all resources that are not as the profile wants.", gauge, []string{"profile"}},
		{"nicwright_drift_known", "1 if the last look could tell whether the host is as the profile wants, 0 if not.", gauge, []string{"profile"}},
		{"nicwright_applied_timestamp_seconds", "When the profile was applied, Unix time.", gauge, []string{"profile", "operation"}},
		{"nicwright_verified_timestamp_seconds", "When the last verification of a profile in force ended, Unix time; no series where there was none.", gauge, nil},
		{"nicwright_verified_ok", "1 if that found all proofs of the kind to be as the profile requires, else 0; kind all: the host was as wanted, too, and it came to its end.", gauge, []string{"kind"}},
		{"nicwright_kernel_trial", "1 for the kernel that is, or was last, on trial (install --kernel-checks), by its state: waiting (installed, not booted), judging, green, red, unknown, left (tried, and another runs without a verdict), accepted.", gauge, []string{"kernel", "state"}},
		{"nicwright_interrupted", "1 if an operation was begun and nobody is at work on it, else 0.", gauge, nil},
		{"nicwright_repairs_total", "Repairs since the start, by how they ended (done, not-done).", counter, []string{"profile", "outcome"}},
		{"nicwright_fight", "1 for a resource that is repaired no more, for somebody undoes it.", gauge, []string{"profile", "resource"}},

		{"nicwright_vfs", "VFs of the PF.", gauge, []string{"pf"}},
		{"nicwright_link_up", "1 if the uplink or bond has a link and is up, else 0.", gauge, []string{"netdev", "resource"}},
		{"nicwright_carrier_changes_total", "Changes of the link since the netdev was made.", counter, []string{"netdev", "resource"}},
		{"nicwright_lag_active", "1 if the card has made a LAG of the bond, 0 if not; no series where the driver does not say.", gauge, []string{"bond"}},
		{"nicwright_lacp_partner", "1 if a partner answers on the bond, else 0.", gauge, []string{"bond"}},
		{"nicwright_lacp_ports", "Members of the bond's active aggregator.", gauge, []string{"bond"}},
		{"nicwright_lacp_state", "One bit of LACP's state (IEEE 802.1AX, 6.4.2.3) of a member, by side: of this host (actor) or of the switch (partner).", gauge, []string{"bond", "member", "side", "bit"}},

		{"nicwright_flows", "Flows of Open vSwitch's datapath, by where they are carried out: card or software.", gauge, []string{"where"}},
		{"nicwright_tls_contexts", "TLS contexts that are open in the card.", gauge, []string{"netdev", "resource", "direction"}},
		{"nicwright_tls_card_bytes_total", "Bytes that the card encrypted (tx) or decrypted (rx).", counter, []string{"netdev", "resource", "direction"}},
		{"nicwright_tls_sessions", "kTLS sessions that are open in this network namespace, by where their records are made: card or software.", gauge, []string{"where", "direction"}},
		{"nicwright_tls_sessions_total", "kTLS sessions opened in this network namespace, by where their records are made; those in software fell back, or never could be offloaded.", counter, []string{"where", "direction"}},
		{"nicwright_tls_software_bytes", "Bytes on the wire of the open kTLS sessions whose records are made in software.", gauge, []string{"direction"}},
		{"nicwright_tls_resyncs_total", "How often the card asked where in the stream a TLS record begins.", counter, []string{"netdev", "resource"}},
		{"nicwright_tls_decrypt_errors_total", "TLS records of this network namespace that could not be decrypted.", counter, nil},
		{"nicwright_ipsec_states", "IPsec states (SAs) of this network namespace, by who does the work: card-packet, card-crypto or software.", gauge, []string{"where"}},
		{"nicwright_ipsec_contexts", "IPsec states that are offloaded to the netdev.", gauge, []string{"netdev", "resource"}},
		{"nicwright_ipsec_card_bytes_total", "Bytes of ESP packets that the card made (tx) or opened (rx).", counter, []string{"netdev", "resource", "direction"}},
		{"nicwright_ipsec_software_bytes", "Bytes of the IPsec states that are there and that the processor works for.", gauge, nil},

		{"nicwright_health_errors_total", "Errors that a devlink health reporter has told of.", counter, []string{"device", "port", "reporter"}},
		{"nicwright_health_recoveries_total", "Errors that it has recovered from.", counter, []string{"device", "port", "reporter"}},
		{"nicwright_health_ok", "1 if no error is there that was not recovered from, else 0.", gauge, []string{"device", "port", "reporter"}},

		{"nicwright_watch_info", "1; the version is a label.", gauge, []string{"version"}},
		{"nicwright_watch_start_timestamp_seconds", "When this watch was started, Unix time.", gauge, nil},
		{"nicwright_watch_looks_total", "Looks at the host, by how they ended (done, failed).", counter, []string{"outcome"}},
		{"nicwright_watch_last_look_timestamp_seconds", "When the last look ended that told something, Unix time.", gauge, nil},
		{"nicwright_watch_look_seconds", "How long the last look took.", gauge, nil},
		{"nicwright_watch_busy", "1 while an operation or a verify is at work, and drift is not looked for, else 0.", gauge, nil},
		{"nicwright_watch_events_total", "Events, by source.", counter, []string{"source"}},
		{"nicwright_watch_events_lost_total", "How often events were lost, by source; each made it look again.", counter, []string{"source"}},
		{"nicwright_source_up", "1 if what the source counts could be read, else 0: links, lag, netdevs, tls, sessions, ipsec, flows, health, verified, trial.", gauge, []string{"source"}},
	}
}
