#include "tools/shuntctl/revision.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"

/* False, and the first of them as *err. */
static bool explain(const struct findings *findings, struct err *err)
{
	for (uint32_t i = 1; i < findings->count; i++)
		fprintf(stderr, "%s\n", findings->list[i].text);
	return err_set(err, "%s", findings->list[0].text);
}

static struct model *load_kept(const json_t *files, struct err *err)
{
	size_t count = json_array_size(files), i;
	struct source *sources = must_alloc((count + 1) * sizeof(*sources));
	struct findings findings = { 0 };
	struct model *model = NULL;
	const json_t *one;

	json_array_foreach((json_t *)files, i, one)
	{
		const json_t *text = json_object_get(one, "text");

		sources[i] = (struct source){ json_string_value(json_object_get(one, "name")),
					      json_string_value(text), json_string_length(text) };
	}
	model = count > 0 ? model_load_sources(sources, (uint32_t)count, &findings) : NULL;
	if (count == 0)
		err_set(err, "the daemon does not keep what was in effect; it is an older one");
	else if (!model)
		explain(&findings, err);
	free(sources);
	return model;
}

/* "@3", "@0": what is in effect. */
static bool is_revision(const char *name)
{
	size_t len = strlen(name + 1);

	return len > 0 && strspn(name + 1, "0123456789") == len;
}

struct model *revision_load(const struct admin_at *admin, const char *name, struct err *err)
{
	struct findings findings = { 0 };
	struct model *model;
	json_t *answer;
	char *text;

	if (name[0] != '@') {
		model = model_load(name, &findings);
		if (!model)
			explain(&findings, err);
		return model;
	}
	if (!is_revision(name)) {
		err_set(err,
			"expected the number of a revision as shuntctl revisions tells it, found "
			"\"%.64s\"",
			name + 1);
		return NULL;
	}
	text = admin_post(admin, "/source", name + 1, err);
	if (!text)
		return NULL;
	answer = json_loads(text, 0, NULL);
	model = load_kept(json_object_get(answer, "files"), err);
	json_decref(answer);
	free(text);
	return model;
}
