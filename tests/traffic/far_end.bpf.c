/*
 * far_end - every TCP port of every IPv4 address behind a device, at next to no cost and without
 * any state: a SYN is accepted, what is said is answered by HTTP 200 and an end, an end by an ACK.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { FIRST_SEQ = 1, ANSWER_LEN = 80, COUNTS = 4 };
enum { COUNT_SYN, COUNT_ASKED, COUNT_END, COUNT_RESET };

/* No longer than a request, as veth leaves no room behind a frame; a multiple of four. */
static const char answer[ANSWER_LEN + 1] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
					   "Content-Length: 12\r\n\r\nall is well\n";

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

struct pseudo {
	__be32 from, to;
	__u8 zero, protocol;
	__be16 len;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, COUNTS);
} far_counts SEC(".maps");

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&far_counts, &which);

	if (n)
		(*n)++;
}

static __always_inline __u16 fold(__s64 sum)
{
	__u32 s = (__u32)sum;

	s = (s & 0xffff) + (s >> 16);
	return (__u16) ~(s + (s >> 16));
}

/* The heads' fields but for lengths and checksums: from there to here. */
static __always_inline void turn(struct frame *f, __be32 seq, __be32 ack)
{
	unsigned char mac[ETH_ALEN];
	__be32 from = f->ip.saddr;
	__be16 port = f->tcp.source;

	__builtin_memcpy(mac, f->eth.h_source, ETH_ALEN);
	__builtin_memcpy(f->eth.h_source, f->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(f->eth.h_dest, mac, ETH_ALEN);
	f->ip.saddr = f->ip.daddr;
	f->ip.daddr = from;
	f->tcp.source = f->tcp.dest;
	f->tcp.dest = port;
	f->tcp.seq = seq;
	f->tcp.ack_seq = ack;
	f->tcp.window = bpf_htons(0xffff);
	f->tcp.urg_ptr = 0;
	f->tcp.doff = sizeof(f->tcp) / 4;
	f->tcp.ack = 1;
	f->tcp.psh = 0;
}

static __always_inline void seal(struct frame *f, __u16 len, __u32 payload)
{
	__u16 tcp_len = sizeof(f->tcp) + len;
	struct pseudo p = { f->ip.saddr, f->ip.daddr, 0, IPPROTO_TCP, bpf_htons(tcp_len) };

	f->ip.tot_len = bpf_htons(sizeof(f->ip) + tcp_len);
	f->ip.check = 0;
	f->ip.check = fold(bpf_csum_diff(0, 0, (void *)&f->ip, sizeof(f->ip), 0));
	f->tcp.check = 0;
	f->tcp.check = fold(bpf_csum_diff(0, 0, (void *)&f->tcp, sizeof(f->tcp),
					  bpf_csum_diff(0, 0, (void *)&p, sizeof(p), payload)));
}

static __always_inline struct frame *resized(struct xdp_md *xdp, __u32 len)
{
	struct frame *f;

	if (bpf_xdp_adjust_tail(xdp, (int)len - (int)(xdp->data_end - xdp->data)))
		return 0;
	f = (struct frame *)(long)xdp->data;
	return (void *)f + len > (void *)(long)xdp->data_end ? 0 : f;
}

static __always_inline int say(struct xdp_md *xdp)
{
	struct frame *f = resized(xdp, sizeof(*f) + ANSWER_LEN);

	if (!f || (void *)(f + 1) + ANSWER_LEN > (void *)(long)xdp->data_end)
		return XDP_DROP;
	__builtin_memcpy(f + 1, answer, ANSWER_LEN);
	f->tcp.psh = 1;
	f->tcp.fin = 1;
	seal(f, ANSWER_LEN, bpf_csum_diff(0, 0, (void *)(f + 1), ANSWER_LEN, 0));
	return XDP_TX;
}

SEC("xdp")
int far_end(struct xdp_md *xdp)
{
	struct frame *f = (struct frame *)(long)xdp->data;
	__u32 said;

	if ((void *)(f + 1) > (void *)(long)xdp->data_end ||
	    f->eth.h_proto != bpf_htons(ETH_P_IP) || f->ip.ihl != 5 ||
	    f->ip.protocol != IPPROTO_TCP)
		return XDP_PASS;
	if (f->tcp.rst) {
		count(COUNT_RESET);
		return XDP_DROP;
	}
	said = bpf_ntohs(f->ip.tot_len) - sizeof(f->ip) - f->tcp.doff * 4;
	if (f->tcp.syn) {
		count(COUNT_SYN);
		turn(f, bpf_htonl(FIRST_SEQ), bpf_htonl(bpf_ntohl(f->tcp.seq) + 1));
	} else if (f->tcp.fin || said) {
		count(f->tcp.fin ? COUNT_END : COUNT_ASKED);
		turn(f, f->tcp.ack_seq, bpf_htonl(bpf_ntohl(f->tcp.seq) + said + f->tcp.fin));
	} else {
		return XDP_DROP; /* a bare ACK */
	}
	if (said)
		return say(xdp);
	f->tcp.fin = 0;
	f = resized(xdp, sizeof(*f));
	if (!f)
		return XDP_DROP;
	seal(f, 0, 0);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
