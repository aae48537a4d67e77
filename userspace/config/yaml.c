#include "userspace/config/yaml.h"

#include <libfyaml.h>
#include <string.h>
#include <xxhash.h>

enum { SHARED = 1024, SHARED_BYTES_MAX = 31 };

struct builder {
	struct yaml_room room;
	/* Short texts, by hash: keys above all are there again and again. */
	const char *shared[SHARED];
	struct fy_parser *parser;
	struct fy_diag *diag;
	const char *file;
	uint32_t nodes;
	struct err *err;
};

static struct place place_of(const struct builder *b, struct fy_event *event)
{
	const struct fy_mark *mark = fy_event_start_mark(event);
	struct place at = { b->file, 1, 1 };

	if (mark) {
		at.line = (uint32_t)mark->line + 1;
		at.column = (uint32_t)mark->column + 1;
	}
	return at;
}

/* What libfyaml has to say, as our sentence. */
static bool syntax_error(struct builder *b)
{
	void *iterator = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(b->diag, &iterator);
	struct place at = { b->file, 1, 1 };

	if (!error)
		return err_set(b->err, "%s: the file ends too early, or is no YAML", b->file);
	at.line = error->line > 0 ? (uint32_t)error->line : 1;
	at.column = error->column > 0 ? (uint32_t)error->column : 1;
	return err_at(b->err, at, "this is no valid YAML: %s", error->msg);
}

/* One that is there already, or a copy. */
static const char *share(struct builder *b, struct span text)
{
	const char **at = &b->shared[XXH3_64bits(text.at, text.len) % SHARED];

	if (text.len > SHARED_BYTES_MAX)
		return arena_text(b->room.texts, text);
	if (!*at || !span_is(span_of(*at), text))
		*at = arena_text(b->room.texts, text);
	return *at;
}

static bool take_text(struct builder *b, struct fy_event *event, struct yaml *out)
{
	struct fy_token *token = event->scalar.value;
	size_t len = 0;
	const char *text = token ? fy_token_get_text(token, &len) : "";

	if (text && memchr(text, 0, len))
		return err_at(b->err, out->at, "expected text, found a NUL byte in it");
	out->kind = YAML_TEXT;
	out->text = share(b, span_make(text ? text : "", text ? len : 0));
	out->plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
	return true;
}

static bool has_anchor(const struct fy_event *event)
{
	switch (event->type) {
	case FYET_SCALAR:
		return event->scalar.anchor != NULL;
	case FYET_SEQUENCE_START:
		return event->sequence_start.anchor != NULL;
	case FYET_MAPPING_START:
		return event->mapping_start.anchor != NULL;
	default:
		return event->type == FYET_ALIAS;
	}
}

static bool has_tag(const struct fy_event *event)
{
	switch (event->type) {
	case FYET_SCALAR:
		return event->scalar.tag != NULL;
	case FYET_SEQUENCE_START:
		return event->sequence_start.tag != NULL;
	case FYET_MAPPING_START:
		return event->mapping_start.tag != NULL;
	default:
		return false;
	}
}

static struct yaml *build(struct builder *b, struct fy_event *event, uint32_t depth);

static void append(struct yaml *parent, struct yaml ***last, struct yaml *child)
{
	**last = child;
	*last = &child->next;
	parent->count++;
}

static bool build_list(struct builder *b, struct yaml *list, uint32_t depth)
{
	struct yaml **last = &list->first;

	for (;;) {
		struct fy_event *event = fy_parser_parse(b->parser);
		struct yaml *item;

		if (!event)
			return syntax_error(b);
		if (event->type == FYET_SEQUENCE_END) {
			fy_parser_event_free(b->parser, event);
			return true;
		}
		item = build(b, event, depth);
		if (!item)
			return false;
		append(list, &last, item);
	}
}

/* libfyaml has no place for a value that is not there: it is that of its key. */
static struct place behind(struct place key, struct place value)
{
	bool before =
		value.line < key.line || (value.line == key.line && value.column < key.column);

	return before ? key : value;
}

static bool build_map(struct builder *b, struct yaml *map, uint32_t depth)
{
	struct yaml **last = &map->first;

	for (;;) {
		struct fy_event *event = fy_parser_parse(b->parser);
		struct yaml *key, *value;

		if (!event)
			return syntax_error(b);
		if (event->type == FYET_MAPPING_END) {
			fy_parser_event_free(b->parser, event);
			return true;
		}
		key = build(b, event, depth);
		if (!key)
			return false;
		if (key->kind != YAML_TEXT)
			return err_at(b->err, key->at, "expected a key, found a list or map");
		if (key->text[0] == 0)
			return err_at(b->err, key->at, "expected a key, found an empty one");
		if (map->count == YAML_KEYS_MAX)
			return err_at(b->err, key->at, "a map of more than %d keys", YAML_KEYS_MAX);
		if (yaml_get(map, key->text))
			return err_at(b->err, key->at,
				      "the key \"%s\" is there twice, first at line %u", key->text,
				      yaml_get(map, key->text)->key_at.line);
		event = fy_parser_parse(b->parser);
		if (!event)
			return syntax_error(b);
		value = build(b, event, depth);
		if (!value)
			return false;
		value->key = key->text;
		value->key_at = key->at;
		value->at = behind(key->at, value->at);
		append(map, &last, value);
	}
}

/* Frees the event. */
static struct yaml *build(struct builder *b, struct fy_event *event, uint32_t depth)
{
	struct yaml *node = arena_take(b->room.nodes, sizeof(*node));
	enum fy_event_type type = event->type;
	bool done = false;

	node->at = place_of(b, event);
	if (has_anchor(event))
		err_at(b->err, node->at, "anchors and aliases are not allowed; write it out");
	else if (has_tag(event))
		err_at(b->err, node->at, "tags such as !!str are not allowed; remove it");
	else if (depth > YAML_DEPTH_MAX || ++b->nodes > YAML_NODES_MAX)
		err_at(b->err, node->at,
		       "the document is nested deeper than %d or has more than %d "
		       "values",
		       YAML_DEPTH_MAX, YAML_NODES_MAX);
	else if (type == FYET_SCALAR)
		done = take_text(b, event, node);
	else
		done = type == FYET_SEQUENCE_START || type == FYET_MAPPING_START;
	fy_parser_event_free(b->parser, event);
	if (!done)
		return NULL;
	if (type == FYET_SEQUENCE_START) {
		node->kind = YAML_LIST;
		done = build_list(b, node, depth + 1);
	} else if (type == FYET_MAPPING_START) {
		node->kind = YAML_MAP;
		done = build_map(b, node, depth + 1);
	}
	return done ? node : NULL;
}

/* The next event of that type; the stream's and document's frame holds one document. */
static bool expect(struct builder *b, enum fy_event_type type, const char *found)
{
	struct fy_event *event = fy_parser_parse(b->parser);
	bool ok = event && event->type == type;

	if (event && !ok)
		err_at(b->err, place_of(b, event), "%s", found);
	else if (!event)
		syntax_error(b);
	fy_parser_event_free(b->parser, event);
	return ok;
}

/* Length of the UTF-8 sequence at the front (RFC 3629), 0 where it is none. */
static size_t utf8_len(const unsigned char *at, size_t left)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} kinds[] = {
		{ 0x80, 0, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 }
	};

	for (size_t len = 1; len <= 4 && len <= left; len++) {
		uint32_t code = at[0] & (unsigned char)~kinds[len - 1].mask;
		size_t i = 1;

		if ((at[0] & kinds[len - 1].mask) != kinds[len - 1].lead)
			continue;
		while (i < len && (at[i] & 0xc0) == 0x80)
			code = code << 6 | (at[i++] & 0x3f);
		return i == len && code >= kinds[len - 1].least && code <= 0x10ffff &&
				       (code < 0xd800 || code > 0xdfff)
			       ? len
			       : 0;
	}
	return 0;
}

/*
 * What libfyaml must not see: bytes that are no UTF-8, and directives (a line that begins with %).
 * Version 0.7.12 never returns from some mixtures of both.
 */
static bool is_clean(const char *file, const char *text, size_t len, struct err *err)
{
	struct place at = { file, 1, 1 };

	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_len((const unsigned char *)text + i, len - i);
		if (step == 0)
			return err_at(err, at, "expected UTF-8, found the byte 0x%02x",
				      (unsigned char)text[i]);
		if (text[i] == '%' && at.column == 1)
			return err_at(err, at,
				      "directives such as %%YAML are not allowed; remove the line");
		at.column++;
		if (text[i] == '\n') {
			at.line++;
			at.column = 1;
		}
	}
	return true;
}

static struct yaml *build_document(struct builder *b)
{
	struct fy_event *event;
	struct yaml *root;

	if (!expect(b, FYET_STREAM_START, "expected a document") ||
	    !expect(b, FYET_DOCUMENT_START, "expected a document, found an empty file"))
		return NULL;
	event = fy_parser_parse(b->parser);
	if (!event) {
		syntax_error(b);
		return NULL;
	}
	root = build(b, event, 0);
	if (!root || !expect(b, FYET_DOCUMENT_END, "expected the end of the document") ||
	    !expect(b, FYET_STREAM_END, "expected one document, found a second one"))
		return NULL;
	return root;
}

struct yaml *yaml_parse(const struct yaml_room *room, const char *file, const char *text,
			size_t len, struct err *err)
{
	struct fy_diag_cfg quiet;
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG };
	struct builder b = { .room = *room, .file = file, .err = err };
	struct yaml *root = NULL;

	if (len > YAML_BYTES_MAX) {
		err_set(err, "%s: expected at most %d bytes of configuration, found %zu", file,
			YAML_BYTES_MAX, len);
		return NULL;
	}
	if (!is_clean(file, text, len, err))
		return NULL;
	fy_diag_cfg_default(&quiet);
	quiet.fp = NULL;
	b.diag = fy_diag_create(&quiet);
	fy_diag_set_collect_errors(b.diag, true);
	cfg.diag = b.diag;
	b.parser = fy_parser_create(&cfg);
	if (b.parser && fy_parser_set_string(b.parser, text, len) == 0)
		root = build_document(&b);
	else
		err_set(err, "%s: cannot begin to read", file);
	fy_parser_destroy(b.parser);
	fy_diag_destroy(b.diag);
	return root;
}

const struct yaml *yaml_get(const struct yaml *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml *v = map->first; v; v = v->next)
		if (strcmp(v->key, key) == 0)
			return v;
	return NULL;
}

struct copying {
	struct yaml_room room;
	const char *from, *to; /* the last file's name: most nodes are of the same */
};

static struct place copy_place(struct copying *c, struct place at)
{
	if (at.file && at.file != c->from) {
		c->from = at.file;
		c->to = arena_text(c->room.texts, span_of(at.file));
	}
	if (at.file)
		at.file = c->to;
	return at;
}

/* As deep as the document, which is bounded. */
static struct yaml *copy_node(struct copying *c, const struct yaml *from)
{
	struct yaml *to = arena_take(c->room.nodes, sizeof(*to));
	struct yaml **last = &to->first;

	*to = *from;
	to->at = copy_place(c, from->at);
	to->first = to->next = NULL;
	if (from->text)
		to->text = arena_text(c->room.texts, span_of(from->text));
	if (from->key) {
		to->key = arena_text(c->room.texts, span_of(from->key));
		to->key_at = copy_place(c, from->key_at);
	}
	for (const struct yaml *v = from->first; v; v = v->next) {
		*last = copy_node(c, v);
		last = &(*last)->next;
	}
	return to;
}

struct yaml *yaml_copy(const struct yaml_room *room, const struct yaml *from)
{
	struct copying c = { .room = *room };

	return from ? copy_node(&c, from) : NULL;
}
