/*
 * xdp_ingress.bpf.c - what comes in, in the driver or right behind it.
 *
 * One buffer a frame: with a larger MTU than a page holds, the device must have multi-buffer off.
 */
#include "bpf/lib/ingress.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int xdp_ingress(struct xdp_md *xdp)
{
	return ingress(xdp);
}
