/*
 * tc_egress.bpf.c - what our own stack sends: rule R6 of a handover, the shifted numbers of legs,
 * and health checks.
 *
 * X has been acknowledged through XDP much further than our socket knows; a segment of ours with an
 * old acknowledgement would be dropped by X for ever. What tc_ingress forwards comes by here too,
 * and is known by the device on which it came.
 *
 * A packet with a probe's mark is for a vip at one endpoint, or for an endpoint in a vpc, and takes
 * the way of a client's. What comes from our address in a vpc never leaves but in its tunnel.
 */
#define PKT_TC
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/lib/count.h"
#include "bpf/lib/flow_table.h"
#include "bpf/lib/leg_sent.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/probe_wrap.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool read_ipv4(struct __sk_buff *skb, struct sent *sent)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.protocol != IPPROTO_TCP ||
	    ip.frag_off & bpf_htons(IPV4_OFFSET_MASK))
		return false;
	addr_from_v4(sent->key.src, ip.daddr);
	addr_from_v4(sent->key.dst, ip.saddr);
	sent->l4_off = ETH_HLEN + ip.ihl * 4;
	return true;
}

/* Our own stack puts no extension headers before TCP. */
static __always_inline bool read_ipv6(struct __sk_buff *skb, struct sent *sent)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.nexthdr != IPPROTO_TCP)
		return false;
	__builtin_memcpy(sent->key.src, &ip.daddr, sizeof(sent->key.src));
	__builtin_memcpy(sent->key.dst, &ip.saddr, sizeof(sent->key.dst));
	sent->l4_off = ETH_HLEN + sizeof(ip);
	return true;
}

static __always_inline bool read_sent(struct __sk_buff *skb, struct sent *sent)
{
	__be16 ports[2];
	bool ok;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		ok = read_ipv4(skb, sent);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		ok = read_ipv6(skb, sent);
	else
		return false;
	if (!ok || bpf_skb_load_bytes(skb, sent->l4_off, ports, sizeof(ports)))
		return false;
	sent->key.sport = ports[1];
	sent->key.dport = ports[0];
	sent->key.proto = IPPROTO_TCP;
	return true;
}

/* From the acknowledgement number on, as in struct tcphdr. */
struct ack_field {
	__be32 ack;
	__u8 offset, flags;
	__u8 zero[2];
};

enum { ACK_FIELD_BYTES = 6, FLAG_ACK = 0x10 };

/* Raises the acknowledgement to the newest that Y has given, once Y is past its drain. */
static __always_inline void repair_ack(struct __sk_buff *skb, const struct sent *sent,
				       const struct splice_dir *y)
{
	__u32 ack_at = sent->l4_off + offsetof(struct tcphdr, ack_seq);
	__u32 newest = y->max_ack + y->ack_delta;
	__be32 new = bpf_htonl(newest);
	struct ack_field old = {};

	if ((__s32)(y->max_ack - y->drain) <= 0 ||
	    bpf_skb_load_bytes(skb, ack_at, &old, ACK_FIELD_BYTES) || !(old.flags & FLAG_ACK) ||
	    (__s32)(newest - bpf_ntohl(old.ack)) <= 0) {
		count(COUNT_EGRESS_PLAIN, skb->len);
		return;
	}
	if (bpf_l4_csum_replace(skb, sent->l4_off + offsetof(struct tcphdr, check), old.ack, new,
				sizeof(new)) == 0)
		bpf_skb_store_bytes(skb, ack_at, &new, sizeof(new), 0);
	count(COUNT_EGRESS_REPAIRED, skb->len);
}

/* Our address in a vpc, by which it is known in which; 0: it is in none. */
static __always_inline __u32 own_vni(const struct sent *sent, const struct settings *s)
{
	const struct addr_entry *own = addr_find(s, sent->key.dst);

	return own ? own->vni : 0;
}

/* The splice or leg that it belongs to, or NULL. */
static __always_inline struct splice *splice_of(const struct sent *sent, const struct settings *s,
						__u32 *out_dir)
{
	struct splice *sp;
	__u64 word = 0;
	__u32 index;

	if (!flow_find(&sent->key, hash_flow(&sent->key, s->hash_seed), s, &word) ||
	    FLOW_KIND(word) != FLOW_SPLICE)
		return NULL;
	index = FLOW_INDEX(word);
	*out_dir = FLOW_DIR(word);
	sp = bpf_map_lookup_elem(&shunt_splices, &index);
	return sp && (sp->generation & 0xffff) == FLOW_GENERATION(word) ? sp : NULL;
}

/* Numbers first, as inside a tunnel they are out of reach. */
static __always_inline int tcp_sent(struct __sk_buff *skb, const struct sent *sent,
				    const struct settings *s, __u32 vni)
{
	bool is_marked = (skb->mark & PROBE_MARK_MASK) == PROBE_MARK;
	int action = TC_ACT_UNSPEC;
	struct splice *sp;
	__u32 dir = 0;

	sp = splice_of(sent, s, &dir);
	if (sp && sp->state == SPLICE_LEG)
		action = leg_sent(skb, sent->l4_off, sp);
	else if (sp && sp->state == SPLICE_HANDOVER)
		repair_ack(skb, sent, &sp->dir[(dir ^ 1) & 1]);
	if (action != TC_ACT_UNSPEC)
		return action;
	/* Its endpoint may have gone from the configuration, and its mark be another's. */
	if (sp && sp->state != SPLICE_LEG && dir == 1 && sp->dir[0].wraps)
		return tunnel_wrap(skb, &sp->tunnel, sp->dir[0].next_hop);
	if (is_marked)
		return probe_wrap(skb, vni);
	return vni ? probe_unsent(skb) : TC_ACT_UNSPEC;
}

SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
	const struct settings *s = settings_get();
	struct sent sent = {};

	if (!s || skb->ingress_ifindex)
		return TC_ACT_UNSPEC;
	if (read_sent(skb, &sent))
		return tcp_sent(skb, &sent, s, own_vni(&sent, s));
	if ((skb->mark & PROBE_MARK_MASK) == PROBE_MARK)
		return probe_wrap(skb, 0);
	return TC_ACT_UNSPEC;
}
