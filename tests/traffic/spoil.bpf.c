/* spoil - loses, doubles and holds back TCP packets that leave a device (tests/traffic/spoiler.c).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { MARK_COPY = 0x5be11 };

/* Of a million packets; seed and waiting room as spoiler.c sets them, in this order. */
const volatile struct {
	__u32 lose, twice, hold, seed, waiting_room;
} rules = { 0 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 4);
} spoilt SEC(".maps");

static __always_inline __u64 raise(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&spoilt, &which);

	return n ? __sync_fetch_and_add(n, 1) : 0;
}

static __always_inline __u32 dice(void)
{
	__u64 x = raise(3) * 0x9e3779b97f4a7c15ull + rules.seed;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return (__u32)((x ^ (x >> 31)) >> 8) % 1000000;
}

static __always_inline int is_tcp(struct __sk_buff *skb)
{
	__u8 protocol = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		bpf_skb_load_bytes(skb, ETH_HLEN + 6, &protocol, 1);
	return protocol == IPPROTO_TCP;
}

SEC("tc")
int spoil(struct __sk_buff *skb)
{
	__u32 fate;

	if (skb->mark == MARK_COPY) {
		skb->mark = 0;
		return TC_ACT_OK;
	}
	if (!is_tcp(skb))
		return TC_ACT_OK;
	fate = dice();
	if (fate < rules.lose) {
		raise(0);
		return TC_ACT_SHOT;
	}
	fate -= rules.lose;
	if (fate < rules.twice) {
		raise(1);
		skb->mark = MARK_COPY;
		bpf_clone_redirect(skb, skb->ifindex, 0);
		skb->mark = 0;
		return TC_ACT_OK;
	}
	if (fate - rules.twice >= rules.hold)
		return TC_ACT_OK;
	raise(2);
	return bpf_redirect(rules.waiting_room, 0);
}

char LICENSE[] SEC("license") = "GPL";
