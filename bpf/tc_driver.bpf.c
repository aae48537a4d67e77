/*
 * tc_driver.bpf.c - for tests: all of tc_ingress, between one step that brings a frame to it as the
 * stack does, and one that says what BPF_PROG_TEST_RUN does not.
 *
 * Before clsact is asked, the stack has put the first VLAN tag beside the frame. Afterwards a tag
 * beside it is not among the bytes of the result, and where a redirect leads is in the kernel's
 * own notes: both are left in the control block.
 */
#define PKT_TC
#include "bpf/lib/ingress.h"

#include <bpf/bpf_core_read.h>

#include "bpf/abi/driver.h"

char LICENSE[] SEC("license") = "GPL";

/* Of Linux 6.10 and later: what bpf_redirect() noted for whoever asked for the program. */
struct bpf_redirect_info {
	__u64 tgt_index;
} __attribute__((preserve_access_index));

struct bpf_net_context {
	struct bpf_redirect_info ri;
} __attribute__((preserve_access_index));

struct task_struct {
	struct bpf_net_context *bpf_net_context;
} __attribute__((preserve_access_index));

/* False where it cannot be. */
__noinline int put_beside(struct __sk_buff *skb)
{
	__u16 tag[3]; /* EtherType, control information, EtherType of what follows */

	if (skb->vlan_present || bpf_skb_load_bytes(skb, 2 * ETH_ALEN, tag, sizeof(tag)) ||
	    !is_vlan(tag[0]))
		return true;
	/* Too short to be read behind its tags, wherever they are: pop would break it. */
	if (skb->len < ETH_HLEN + (is_vlan(tag[2]) ? 2 : 1) * sizeof(struct vlan_tag))
		return true;
	return !bpf_skb_vlan_pop(skb) && !bpf_skb_vlan_push(skb, tag[0], bpf_ntohs(tag[1]));
}

__noinline int tell(struct __sk_buff *skb)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	skb->cb[DRIVER_TAG] = 0;
	if (skb->vlan_present)
		skb->cb[DRIVER_TAG] =
			(__u32)bpf_ntohs((__u16)skb->vlan_proto) << 16 | (__u16)skb->vlan_tci;
	skb->cb[DRIVER_OUT] = (__u32)BPF_CORE_READ(task, bpf_net_context, ri.tgt_index);
	return 0;
}

SEC("tc")
int tc_driver(struct __sk_buff *skb)
{
	int fate;

	if (skb->cb[DRIVER_CUT] && bpf_skb_change_tail(skb, skb->cb[DRIVER_CUT], 0))
		return DRIVER_FAILED;
	if (!put_beside(skb))
		return DRIVER_FAILED;
	fate = ingress(skb);
	tell(skb);
	return fate;
}
