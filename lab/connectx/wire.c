// SPDX-License-Identifier: GPL-2.0
/* Wire netdevs: the far end of each port's cable. One NAPI a port keeps the order of what the card sends. */
#include "connectx.h"
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/rtnetlink.h>

#define QUEUE 512

static char *wires[CX_MAX_CARDS * CX_MAX_PORTS] = {
	"wire0", "wire1", "wire2", "wire3", "wire4", "wire5", "wire6", "wire7"
};
module_param_array_named(wire, wires, charp, NULL, 0444);
MODULE_PARM_DESC(wire, "names of the wire netdevs");

struct cx_wire {
	struct net_device *dev;
	struct napi_struct napi;
	struct sk_buff_head rxq;	/* from the card to the netdev */
	struct sk_buff_head txq;	/* from the netdev to the card */
	struct sk_buff *held_rx, *held_tx;	/* frames that another is to overtake */
	struct cx_pkt *pkt;
	int port;
	bool open;			/* written by ndo_open/stop */
	bool seen, down;		/* what the card's thread has acted on */
};

static struct cx_wire *wire[CX_MAX_CARDS * CX_MAX_PORTS];

/* ---- card to netdev ---- */
struct wire_sink { struct cx_sink s; struct cx_wire *w; struct sk_buff *skb; };

static int skb_room(struct cx_sink *sink, struct cx_iov *v, int max, u32 len)
{
	struct wire_sink *s = container_of(sink, struct wire_sink, s);

	s->skb = netdev_alloc_skb_ip_align(s->w->dev, len);
	if (!s->skb)
		return 0;
	v->p = skb_put(s->skb, len);
	v->len = len;
	return 1;
}

/*
 * A frame on the way to the queue q over a cable with faults; its data may be written to. The reordered ones are held
 * until the next has gone.
 */
static void cable(struct cx_wire *w, struct sk_buff_head *q, struct sk_buff **held, struct sk_buff *skb)
{
	struct cx_cable *c = &cx_faults.wire[w->port];
	struct sk_buff *before = *held;

	if (cx_fault_chance(READ_ONCE(c->loss))) {
		kfree_skb(skb);
		return;
	}
	if (skb_headlen(skb) > ETH_HLEN && cx_fault_chance(READ_ONCE(c->corrupt))) {
		skb->data[ETH_HLEN + get_random_u32() % (skb_headlen(skb) - ETH_HLEN)] ^= 1;
		skb->ip_summed = CHECKSUM_NONE;
	}
	if (!before && cx_fault_chance(READ_ONCE(c->reorder))) {
		*held = skb;
		return;
	}
	skb_queue_tail(q, skb);
	if (before) {
		*held = NULL;
		skb_queue_tail(q, before);
	}
}

static void skb_done(struct cx_sink *sink, u32 len, __wsum sum)
{
	struct wire_sink *s = container_of(sink, struct wire_sink, s);
	s->skb->ip_summed = CHECKSUM_COMPLETE;
	s->skb->csum = sum;
	cable(s->w, &s->w->rxq, &s->w->held_rx, s->skb);
}

void cx_wire_tx(int port, struct cx_pkt *p)
{
	struct cx_wire *w = wire[port];
	struct wire_sink s = { .s = { skb_room, skb_done }, .w = w };
	struct cx_port *pt = &cx_ports[port];

	if (!pt->up || !READ_ONCE(w->open) || skb_queue_len(&w->rxq) > 4096) {
		pt->drops += p->nsegs;
		return;
	}
	pt->tx.pkts += p->nsegs;
	pt->tx.bytes += cx_pkt_bytes(p);
	if (is_broadcast_ether_addr(p->data))
		pt->tx_bcast += p->nsegs;
	else if (is_multicast_ether_addr(p->data))
		pt->tx_mcast += p->nsegs;
	cx_emit(p, &s.s);
}

static int poll(struct napi_struct *n, int budget)
{
	struct cx_wire *w = container_of(n, struct cx_wire, napi);
	struct sk_buff *skb;
	int done = 0;

	while (done < budget && (skb = skb_dequeue(&w->rxq))) {
		skb->protocol = eth_type_trans(skb, w->dev);
		dev_sw_netstats_rx_add(w->dev, skb->len + ETH_HLEN);
		napi_gro_receive(n, skb);
		done++;
	}
	if (done < budget)
		napi_complete_done(n, done);
	return done;
}

/* ---- netdev to card ---- */
static netdev_tx_t xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct cx_wire *w = *(struct cx_wire **)netdev_priv(dev);

	if (skb->ip_summed == CHECKSUM_PARTIAL && !skb_is_gso(skb) && skb_checksum_help(skb))
		goto drop;
	if (!netif_carrier_ok(dev))
		goto drop;
	if (READ_ONCE(cx_faults.wire[w->port].corrupt) && skb_linearize_cow(skb))
		goto drop;
	dev_sw_netstats_tx_add(dev, skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 1, skb->len);
	skb_tx_timestamp(skb);
	skb_orphan(skb);
	cable(w, &w->txq, &w->held_tx, skb);
	if (skb_queue_len(&w->txq) >= QUEUE) {
		netif_stop_queue(dev);
		smp_mb();
		if (skb_queue_len(&w->txq) < QUEUE)
			netif_wake_queue(dev);
	}
	if (!netdev_xmit_more() || netif_queue_stopped(dev))
		cx_wake();
	return NETDEV_TX_OK;
drop:
	dev_core_stats_tx_dropped_inc(dev);
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

/* frames meet the faults of a cable one by one, with their checksums in them */
static netdev_features_t features_check(struct sk_buff *skb, struct net_device *dev, netdev_features_t features)
{
	struct cx_cable *c = &cx_faults.wire[(*(struct cx_wire **)netdev_priv(dev))->port];

	if (READ_ONCE(c->loss) || READ_ONCE(c->corrupt) || READ_ONCE(c->reorder) || READ_ONCE(c->bit_errors))
		features &= ~(NETIF_F_GSO_MASK | NETIF_F_CSUM_MASK);
	return features;
}

static bool from_skb(struct cx_pkt *p, struct sk_buff *skb)
{
	int i;

	cx_pkt_reset(p);
	if (skb_has_frag_list(skb) && skb_linearize(skb))
		return false;
	if (skb_headlen(skb))
		p->frag[p->nfrag++] = (struct cx_frag){ skb->data, skb_headlen(skb) };
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		skb_frag_t *g = &skb_shinfo(skb)->frags[i];

		p->frag[p->nfrag++] = (struct cx_frag){ skb_frag_address(g), skb_frag_size(g) };
	}
	p->plen = skb->len;
	p->nsegs = 1;
	if (skb_is_gso(skb)) {	/* cut up after the TCP header */
		u32 hl = skb_tcp_all_headers(skb), i = 0;

		if (hl > CX_HDR || skb_copy_bits(skb, 0, p->data, hl))
			return false;
		p->hlen = hl;
		p->plen -= hl;
		while (hl) {
			u32 k = min(hl, p->frag[i].len);

			p->frag[i].p += k;
			p->frag[i].len -= k;
			hl -= k;
			if (!p->frag[i].len)
				i++;
		}
		p->nfrag -= i;
		memmove(p->frag, p->frag + i, p->nfrag * sizeof(p->frag[0]));
		p->mss = skb_shinfo(skb)->gso_size;
		p->nsegs = max(1U, DIV_ROUND_UP(p->plen, p->mss));
		p->l4csum = true;
		return true;
	}
	return cx_pull(p);
}

bool cx_wire_run(int port)
{
	struct cx_wire *w = wire[port];
	struct cx_port *pt = &cx_ports[port];
	struct sk_buff *skb;
	int n = 0;

	if (w->seen != READ_ONCE(w->open) || w->down != READ_ONCE(cx_faults.wire[port].down)) {
		w->seen = READ_ONCE(w->open);
		w->down = READ_ONCE(cx_faults.wire[port].down);
		cx_link_update(port);
	}
	while (n < 64 && (skb = skb_dequeue(&w->txq))) {
		struct cx_pkt *p = w->pkt;

		n++;
		if (pt->up || cx_ports[port].vport) {
			bool wrong = cx_fault_chance(READ_ONCE(cx_faults.wire[port].bit_errors)) && !cx_phy_bit_error(pt);

			if (!wrong && from_skb(p, skb)) {
				pt->rx.pkts += p->nsegs;
				pt->rx.bytes += cx_pkt_bytes(p);
				if (is_broadcast_ether_addr(p->data))
					pt->rx_bcast += p->nsegs;
				else if (is_multicast_ether_addr(p->data))
					pt->rx_mcast += p->nsegs;
				cx_uplink_rx(port, p);
			}
		}
		consume_skb(skb);
	}
	if (n && netif_queue_stopped(w->dev) && skb_queue_len(&w->txq) < QUEUE / 2)
		netif_wake_queue(w->dev);
	if (!skb_queue_empty(&w->rxq)) {
		local_bh_disable();
		napi_schedule(&w->napi);
		local_bh_enable();
	}
	return n;
}

bool cx_wire_up(int port)
{
	return wire[port] && wire[port]->seen && !wire[port]->down;
}

void cx_wire_carrier(int port, bool up)
{
	struct net_device *dev = wire[port] ? wire[port]->dev : NULL;

	if (!dev)
		return;
	if (up && !netif_carrier_ok(dev))
		netif_carrier_on(dev);
	else if (!up && netif_carrier_ok(dev))
		netif_carrier_off(dev);
}

/* ---- netdev ---- */
static int wire_open(struct net_device *dev)
{
	struct cx_wire *w = *(struct cx_wire **)netdev_priv(dev);

	napi_enable(&w->napi);
	netif_start_queue(dev);
	WRITE_ONCE(w->open, true);
	cx_wake();
	return 0;
}

static int wire_stop(struct net_device *dev)
{
	struct cx_wire *w = *(struct cx_wire **)netdev_priv(dev);

	WRITE_ONCE(w->open, false);
	cx_wake();
	netif_stop_queue(dev);
	napi_disable(&w->napi);
	skb_queue_purge(&w->rxq);
	return 0;
}

static const struct net_device_ops ops = {
	.ndo_open = wire_open,
	.ndo_stop = wire_stop,
	.ndo_start_xmit = xmit,
	.ndo_features_check = features_check,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static int link_get(struct net_device *dev, struct ethtool_link_ksettings *k)
{
	bool up = netif_carrier_ok(dev);

	k->base.speed = up ? SPEED_100000 : SPEED_UNKNOWN;
	k->base.duplex = up ? DUPLEX_FULL : DUPLEX_UNKNOWN;
	k->base.port = PORT_DA;
	k->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

static void drvinfo(struct net_device *dev, struct ethtool_drvinfo *i)
{
	strscpy(i->driver, "connectx_emu", sizeof(i->driver));
}

static const struct ethtool_ops eops = {
	.get_drvinfo = drvinfo, .get_link = ethtool_op_get_link, .get_link_ksettings = link_get,
};

static void setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &ops;
	dev->ethtool_ops = &eops;
	dev->max_mtu = CX_MAX_MTU;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	dev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_RXCSUM | NETIF_F_HIGHDMA;
	dev->features = dev->hw_features;
	dev->vlan_features = dev->features;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	eth_hw_addr_random(dev);
}

static int wire_add(int port)
{
	struct cx_wire *w = kzalloc(sizeof(*w), GFP_KERNEL);
	int err;

	if (!w)
		return -ENOMEM;
	skb_queue_head_init(&w->rxq);
	skb_queue_head_init(&w->txq);
	w->port = port;
	w->pkt = kzalloc(sizeof(*w->pkt), GFP_KERNEL);
	w->dev = alloc_netdev(sizeof(w), wires[port], NET_NAME_USER, setup);
	if (!w->pkt || !w->dev) {
		err = -ENOMEM;
		goto free;
	}
	*(struct cx_wire **)netdev_priv(w->dev) = w;
	netif_napi_add(w->dev, &w->napi, poll);
	wire[port] = w;
	rtnl_lock();
	err = register_netdevice(w->dev);
	if (!err)		/* a cable that is plugged in: the link is up unless somebody takes it down */
		err = dev_open(w->dev, NULL);
	rtnl_unlock();
	if (!err)
		return 0;
	wire[port] = NULL;
	netif_napi_del(&w->napi);
free:
	if (w->dev)
		free_netdev(w->dev);
	kfree(w->pkt);
	kfree(w);
	return err;
}

int cx_wire_init(void)
{
	int i, err;

	for (i = 0; i < cx_all_ports(); i++) {
		err = wire_add(i);
		if (err) {
			cx_wire_exit();
			return err;
		}
	}
	return 0;
}

/* the card's thread has ended */
void cx_wire_exit(void)
{
	int i;

	for (i = 0; i < cx_all_ports(); i++) {
		struct cx_wire *w = wire[i];

		if (!w)
			continue;
		wire[i] = NULL;
		unregister_netdev(w->dev);
		skb_queue_purge(&w->txq);
		skb_queue_purge(&w->rxq);
		kfree_skb(w->held_rx);
		kfree_skb(w->held_tx);
		free_netdev(w->dev);
		kfree(w->pkt);
		kfree(w);
	}
}
