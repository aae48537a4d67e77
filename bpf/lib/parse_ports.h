/*
 * parse_ports.h - TCP and UDP headers, as far as anybody here needs them.
 */
#pragma once
#include <linux/tcp.h>
#include <linux/udp.h>

#include "bpf/lib/parse_ip.h"
#include "bpf/lib/pkt.h"

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_FLAGS = 63 };

static __always_inline void parse_tcp(struct pkt *p)
{
	struct tcphdr *tcp = pkt_pull(p, sizeof(*tcp));

	if (!tcp) {
		pkt_odd(p, COUNT_SHORT);
		return;
	}
	p->flags |= PKT_PORTS;
	p->flow.sport = tcp->source;
	p->flow.dport = tcp->dest;
	p->tcp_flags = ((__u8 *)tcp)[13];
	if (tcp->doff < 5 || p->l4_off + tcp->doff * 4 > p->l3_len)
		pkt_odd(p, COUNT_BAD_LENGTH);
	if ((p->tcp_flags & TCP_SYN && p->tcp_flags & (TCP_FIN | TCP_RST)) ||
	    !(p->tcp_flags & TCP_FLAGS))
		pkt_odd(p, COUNT_BAD_FLAGS);
}

static __always_inline void parse_udp(struct pkt *p)
{
	struct udphdr *udp = pkt_pull(p, sizeof(*udp));
	__u32 len;

	if (!udp) {
		pkt_odd(p, COUNT_SHORT);
		return;
	}
	p->flags |= PKT_PORTS;
	p->flow.sport = udp->source;
	p->flow.dport = udp->dest;
	len = bpf_ntohs(udp->len);
	/* A first fragment holds less than the datagram's length says. */
	if (len < sizeof(*udp) || (!(p->flags & PKT_FRAGMENT) && p->l4_off + len > p->l3_len))
		pkt_odd(p, COUNT_BAD_LENGTH);
}

/* needs: l3, at, flow.proto, flags; sets: ports, tcp_flags. Always NEXT: nothing is judged. */
static __always_inline enum verdict parse_ports(struct pkt *p)
{
	if (p->flags & PKT_LATER)
		return NEXT;
	if (p->flow.proto == IPPROTO_TCP)
		parse_tcp(p);
	else if (p->flow.proto == IPPROTO_UDP)
		parse_udp(p);
	return NEXT;
}
