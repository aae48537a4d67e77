#include "userspace/dataplane/vip_mode.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "bpf/abi/quic.h"
#include "bpf/abi/sample.h"

_Static_assert((int)QUIC_CONFIG_MAX < (int)QUIC_CONFIG_NONE, "7 is no configuration's");

bool vip_mode_is_l4(const struct listener *l)
{
	return l->protocol == LISTENER_TCP || l->protocol == LISTENER_UDP;
}

struct vip_key vip_mode_key(const struct listener *l, const struct addr *address)
{
	struct vip_key key = { .port = htons(l->port),
			       .proto = l->protocol == LISTENER_UDP ? IPPROTO_UDP : IPPROTO_TCP };

	memcpy(key.addr, address->ip, sizeof(key.addr));
	return key;
}

uint32_t vip_mode_flags(const struct listener *l)
{
	uint32_t flags = 0;

	if (l->forward == FORWARD_DSR)
		flags |= VIP_DSR;
	if (l->forward == FORWARD_NAT)
		flags |= VIP_NAT;
	if (l->protocol == LISTENER_UDP && l->timeouts.udp_idle_ms == 0)
		flags |= VIP_ALONE;
	if (l->affinity == AFFINITY_CLIENT_ADDRESS)
		flags |= VIP_BY_CLIENT;
	if (l->quic.given)
		flags |= VIP_QUIC | VIP_QUIC_LAYOUT(l->quic.config_id, l->quic.server_id_bytes);
	return flags;
}

uint32_t vip_mode_udp_idle_s(const struct listener *l)
{
	return (l->timeouts.udp_idle_ms + 999) / 1000;
}

uint32_t vip_mode_addr(bool proxy, const bool *wanted)
{
	uint32_t stack = proxy ? ADDR_STACK : 0;

	if (wanted[PING_DROP])
		return ADDR_NO_ANSWER | stack;
	if (wanted[PING_PASS] || (proxy && !wanted[PING_ANSWER]))
		return stack;
	return ADDR_ANSWER | stack;
}

uint32_t vip_mode_tally(const struct vip_entry *vip)
{
	return vip->kind == VIP_L7 ? VIP_TALLY_L7(vip->index) : VIP_TALLY_L4(vip->index);
}
