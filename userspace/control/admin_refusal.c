#include "userspace/control/admin_refusal.h"

#include <jansson.h>
#include <stdlib.h>

#include "userspace/base/err.h"

/* ASCII of it. */
static json_t *plain(const char *why)
{
	char text[ERR_TEXT_MAX];
	size_t i = 0;

	for (; why[i] && i < sizeof(text) - 1; i++)
		text[i] = why[i];
	for (size_t k = 0; k < i; k++)
		if ((unsigned char)text[k] >= 0x80)
			text[k] = '?';
	return json_stringn(text, i);
}

char *admin_refuse(uint32_t *out_status, const char *why)
{
	json_t *answer = json_object(), *text = json_string(why);
	char *made;

	*out_status = 400;
	json_object_set_new(answer, "error", text ? text : plain(why));
	made = json_dumps(answer, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	json_decref(answer);
	return made;
}
