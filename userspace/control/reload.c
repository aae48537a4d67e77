#include "userspace/control/reload.h"

#include <string.h>

#include "userspace/base/log.h"
#include "userspace/control/listen_table.h"
#include "userspace/control/state_dir.h"
#include "userspace/tls/tls_tickets.h"

static void say(const struct findings *findings, const char *file)
{
	for (uint32_t i = 0; i < findings->count; i++)
		log_line(LOG_ERROR, "%s", findings->list[i].text);
	if (findings->more)
		log_line(LOG_ERROR, "%s: %u more mistakes are not shown", file, findings->more);
}

static void warn_forgetful(const struct snapshot *s, const char *state)
{
	for (uint32_t i = 0; i < s->model->upstream_count; i++)
		if (s->tokens[i] && !s->model->node.persistence_keys && !state)
			log_line(LOG_WARNING,
				 "upstream %s: cookies lead to endpoints until shuntd ends; "
				 "--state, or persistence_keys of the node, makes them last",
				 s->model->upstreams[i].name);
}

bool reload_keys(struct snapshot *snapshot, const char *state, struct findings *findings)
{
	const struct model *model = snapshot->model;
	const struct node *node = &model->node;
	struct reading reading = { .findings = findings };
	uint32_t before = findings->count;
	struct err err;

	if (!tls_tickets_use(node->ticket_keys, &err))
		finding(&reading, node->tickets_at, "%s", err.text);
	if (!snapshot_name_endpoints(snapshot, state, &err))
		finding(&reading,
			node->persistence_keys ? node->persistence_at : model->upstreams[0].at,
			"%s", err.text);
	return findings->count == before;
}

static struct snapshot *take(struct model *model, const char *file, struct findings *findings,
			     const struct reload_way *way)
{
	struct snapshot *snapshot = model ? snapshot_create(model, way->number) : NULL;
	struct err err;

	/* Only what names stand for becomes another without a file. */
	if (model && model->name_count == 0)
		model_forget_root(model);
	if (snapshot && snapshot_secure(snapshot, way->strict, findings) &&
	    state_dir_open(way->state, &err) && reload_keys(snapshot, way->state, findings)) {
		if (!way->strict)
			warn_forgetful(snapshot, way->state);
		return snapshot;
	}
	if (snapshot && findings->count == 0)
		log_line(LOG_ERROR, "%s", err.text);
	say(findings, file);
	snapshot_unref(snapshot);
	return NULL;
}

struct snapshot *reload_read(const char *file, const struct reload_way *way)
{
	struct findings findings = { 0 };
	struct model *model = model_load_resolved(file, way->resolution, &findings);

	return take(model, file, &findings, way);
}

struct snapshot *reload_again(const struct snapshot *before, const struct reload_way *way)
{
	struct findings findings = { 0 };
	struct model *model = model_again(before->model, way->resolution, &findings);

	return take(model, "the configuration that is in effect", &findings, way);
}

static bool devices_are(const struct node *a, const struct node *b)
{
	if (a->device_count != b->device_count)
		return false;
	for (uint32_t i = 0; i < a->device_count; i++)
		if (strcmp(a->devices[i], b->devices[i]) != 0)
			return false;
	return true;
}

void reload_warn_fixed(const struct node *before, const struct node *after)
{
	if (!devices_are(before, after))
		log_line(LOG_WARNING,
			 "node.devices has changed: takes effect when shuntd is started "
			 "again");
	if (before->splice_port_first != after->splice_port_first ||
	    before->splice_port_last != after->splice_port_last)
		log_line(LOG_WARNING,
			 "the splice ports of node have changed: takes effect when shuntd "
			 "is started again");
}

void reload_warn_unserved(const struct model *model)
{
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].listener_count; k++) {
			const struct listener *l = &model->vips[i].listeners[k];

			if (!listen_protocol_is_proxied(l->protocol))
				log_line(LOG_WARNING,
					 "vip %s port %u/%s is not served: it needs the "
					 "fast path",
					 model->vips[i].name, l->port,
					 listener_protocol_names[l->protocol]);
		}
}
