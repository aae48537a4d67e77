/*
 * tc_ingress.bpf.c - what comes in, by clsact: for devices whose packets come as super-packets and
 * without their checksums, which would have to be undone for XDP.
 */
#define PKT_TC
#include "bpf/lib/ingress.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
	return ingress(skb);
}
