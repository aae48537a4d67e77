/* shuntctl explain REQUEST: what would become of it, and why. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/shuntctl/command.h"
#include "tools/shuntctl/explained.h"
#include "tools/shuntctl/revision.h"
#include "userspace/control/deed_ask.h"
#include "userspace/control/deed_print.h"
#include "userspace/control/explain_request.h"

/* Whether all of it can be said in JSON. */
static bool put(json_t *query, const char *name, const char *text)
{
	return !text || json_object_set_new(query, name, json_string(text)) == 0;
}

/* NULL: something in it is no UTF-8. */
static json_t *query_of(const struct command_options *options, struct err *err)
{
	json_t *query = json_object(), *headers = json_array();
	bool good = true;

	for (uint32_t i = 0; i < options->header_count; i++)
		good = json_array_append_new(headers, json_string(options->headers[i])) == 0 &&
		       good;
	json_object_set_new(query, "headers", headers);
	json_object_set_new(query, "session_resumed", json_boolean(options->session_resumed));
	if (good && put(query, "request", options->operand) && put(query, "from", options->from) &&
	    put(query, "subject", options->subject) && put(query, "vip", options->vip) &&
	    put(query, "session_id", options->session_id) && put(query, "alpn", options->alpn))
		return query;
	json_decref(query);
	err_set(err, "what is asked is no UTF-8; write other bytes of a path as %%XX");
	return NULL;
}

/* By those who serve. */
static json_t *ask_daemon(const struct command_options *options, const json_t *query,
			  struct err *err)
{
	char *body = json_dumps(query, JSON_COMPACT);
	char *text = body ? admin_post(&options->admin, "/explain", body, err) : NULL;
	json_t *answer = text ? json_loads(text, 0, NULL) : NULL;

	if (text && !answer)
		err_set(err, "the daemon does not explain requests; it is an older one");
	free(text);
	free(body);
	return answer;
}

static json_t *ask_model(struct model *model, const json_t *query, struct err *err)
{
	struct findings findings = { 0 };
	struct snapshot *snapshot = snapshot_create(model, 0);
	json_t *answer;

	/* Without its certificates it is explained as well, but for them. */
	if (!snapshot_secure(snapshot, false, &findings))
		fprintf(stderr, "shuntctl explain: %s\n", findings.list[0].text);
	answer = explain_request(snapshot, NULL, query, err);
	snapshot_unref(snapshot);
	return answer;
}

/* A file, or a revision that was in effect. */
static json_t *ask_file(const struct command_options *options, const json_t *query, struct err *err)
{
	char at[32];
	struct model *model;

	snprintf(at, sizeof(at), "@%s", options->at ? options->at : "");
	model = revision_load(&options->admin, options->config ? options->config : at, err);
	return model ? ask_model(model, query, err) : NULL;
}

/* By the configuration that it had, where that is not the present one. */
static json_t *retell(const struct command_options *options, json_t *answer)
{
	struct model *model;
	struct deed deed;
	struct err err;
	char at[32];
	json_t *told;

	if (!deed_from_raw(answer, &deed))
		return answer;
	snprintf(at, sizeof(at), "@%u", deed.snapshot);
	model = revision_load(&options->admin, at, &err);
	if (!model)
		return answer;
	told = deed_print(&deed, model, NULL);
	model_destroy(model);
	json_decref(answer);
	return told;
}

/* One that has ended, or is under way. */
static json_t *ask_deed(const struct command_options *options, struct err *err)
{
	char *text = admin_post(&options->admin, "/request", options->request_id, err);
	json_t *answer = text ? json_loads(text, 0, NULL) : NULL;

	if (text && !answer)
		err_set(err, "the daemon does not remember requests; it is an older one");
	free(text);
	return answer ? retell(options, answer) : NULL;
}

int command_explain_request(const struct command_options *options)
{
	struct err err = { .text = "" };
	json_t *query = options->request_id ? NULL : query_of(options, &err), *answer;

	answer = err.text[0]                      ? NULL
		 : !query                         ? ask_deed(options, &err)
		 : options->config || options->at ? ask_file(options, query, &err)
						  : ask_daemon(options, query, &err);
	json_decref(query);
	if (!answer)
		return command_refuse("explain", &err);
	if (options->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	} else {
		explained_print(answer);
	}
	json_decref(answer);
	return EXIT_DONE;
}
