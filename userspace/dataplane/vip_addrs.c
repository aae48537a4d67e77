#include "userspace/dataplane/vip_addrs.h"

#include "bpf/abi/splice.h"
#include "bpf/abi/vip.h"
#include "userspace/dataplane/guard_sync.h"

/* Ours in each vpc, by which it is known whose packets come to it. */
static bool add_inside(struct vip_table *table, const struct model *model, struct err *err)
{
	for (uint32_t i = 0; i < model->vpc_count; i++) {
		const struct vpc *vpc = &model->vpcs[i];

		if (!vpc_has_source(vpc))
			continue;
		if (!vip_table_add(table, vpc->source.ip, ADDR_SPLICES | ADDR_OWN, err))
			return false;
		vip_table_vni(table, vpc->source.ip, vpc->vni);
	}
	return true;
}

/* Addresses that are no vips: our vtep, and both of each splice, also of vips that are no more. */
bool vip_addrs_add(struct vip_table *table, const struct mapped *mapped, const struct model *model,
		   struct err *err)
{
	const struct node *node = &model->node;

	if (!addr_is_ip(&node->tunnel_address, &(struct addr){ 0 }) &&
	    !vip_table_add(table, node->tunnel_address.ip, ADDR_TUNNEL, err))
		return false;
	for (uint32_t i = 0; i < node->source_count; i++)
		if (!vip_table_add(table, node->sources[i].ip, ADDR_SPLICES | ADDR_OWN, err))
			return false;
	for (uint32_t i = 0; i < node->guest_count; i++)
		if (!vip_table_add(table, node->guests[i].ip, ADDR_SPLICES, err))
			return false;
	if (!add_inside(table, model, err))
		return false;
	for (uint32_t i = 0; i < mapped->sizes.of[MAP_SIZE_SPLICES]; i++) {
		const struct splice *sp = &mapped->splices[i];

		if (sp->state == SPLICE_BUCKET)
			continue; /* has no addresses */
		if (sp->state == SPLICE_LEG) {
			if (!vip_table_add(table, sp->leg.key.dst, ADDR_SPLICES, err))
				return false;
		} else if (sp->state != SPLICE_FREE &&
			   (!vip_table_add(table, sp->dir[0].out.src, ADDR_SPLICES, err) ||
			    !vip_table_add(table, sp->dir[1].out.src, ADDR_SPLICES, err))) {
			return false;
		} else if (sp->state != SPLICE_FREE && sp->tunnel.vni) {
			vip_table_vni(table, sp->dir[0].out.src, sp->tunnel.vni);
		}
	}
	return true;
}

bool vip_addrs_guard(struct vip_table *table, const struct pinned *pinned,
		     const struct mapped *mapped, const struct model *model, struct err *err)
{
	uint32_t half = vip_table_next_half(table);

	if (!guard_sync_stage(pinned, mapped->guards, half, model, err))
		return false;
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].address_count; k++)
			vip_table_guard(table, model->vips[i].addresses[k].ip,
					guard_sync_of(model, half, &model->vips[i]),
					guard_sync_has_cookies(model, &model->vips[i]));
	return true;
}
