#include "userspace/config/yaml_merge.h"

#include <string.h>

struct yaml *yaml_merge_begin(const struct yaml_room *room, const char *name)
{
	struct yaml *root = arena_take(room->nodes, sizeof(*root));

	root->kind = YAML_MAP;
	root->at = (struct place){ arena_text(room->texts, span_of(name)), 1, 1 };
	return root;
}

static void append(struct yaml *parent, struct yaml *child)
{
	struct yaml **last = &parent->first;

	while (*last)
		last = &(*last)->next;
	*last = child;
	child->next = NULL;
	parent->count++;
}

/* All at once: lists of routes are long. */
static void append_all(struct yaml *list, const struct yaml *more)
{
	struct yaml **last = &list->first;

	while (*last)
		last = &(*last)->next;
	*last = more->first;
	list->count += more->count;
}

/* Several files may add to one list of routes: each team has one. */
static bool is_joined(const struct yaml *section, const struct yaml *first,
		      const struct yaml *value)
{
	return strcmp(section->key, "routes") == 0 && first->kind == YAML_LIST &&
	       value->kind == YAML_LIST;
}

static bool append_key(struct yaml *map, struct yaml *value, struct err *err)
{
	struct yaml *first = (struct yaml *)yaml_get(map, value->key);

	if (first && is_joined(map, first, value)) {
		append_all(first, value);
		return true;
	}
	if (first)
		return err_at(err, value->key_at, "the key \"%s\" is there already, at %s:%u:%u",
			      value->key, first->key_at.file, first->key_at.line,
			      first->key_at.column);
	if (map->count == YAML_KEYS_MAX)
		return err_at(err, value->key_at, "a map of more than %d keys", YAML_KEYS_MAX);
	append(map, value);
	return true;
}

static bool join(struct yaml *section, struct yaml *more, struct err *err)
{
	struct yaml *next;

	if (section->kind != more->kind || section->kind == YAML_TEXT)
		return err_at(err, more->at, "expected the same kind of section as at %s:%u:%u",
			      section->at.file, section->at.line, section->at.column);
	if (section->kind == YAML_LIST) {
		append_all(section, more);
		return true;
	}
	for (struct yaml *v = more->first; v; v = next) {
		next = v->next;
		if (!append_key(section, v, err))
			return false;
	}
	return true;
}

bool yaml_merge(struct yaml *into, struct yaml *from, struct err *err)
{
	struct yaml *next;

	if (from->kind != YAML_MAP)
		return err_at(err, from->at, "expected a map of keys and values");
	for (struct yaml *v = from->first; v; v = next) {
		struct yaml *there = into->first;

		next = v->next;
		while (there && strcmp(there->key, v->key) != 0)
			there = there->next;
		if (!there)
			append(into, v);
		else if (!join(there, v, err))
			return false;
	}
	return true;
}
