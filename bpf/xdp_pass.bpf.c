/*
 * xdp_pass.bpf.c - passes everything; for the other end of a veth pair in the lab.
 *
 * veth delivers what XDP_TX sends at once only where the receiving end has an XDP program too
 * (Linux 6.18; for XDP_REDIRECT, GRO is enough). A NIC's cable needs nothing of the kind.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int xdp_pass(struct xdp_md *xdp)
{
	return XDP_PASS;
}
