#include "userspace/tls/tls_error.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *tls_error_reason(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = NULL;

	if (code && ERR_SYSTEM_ERROR(code))
		reason = strerror(ERR_GET_REASON(code));
	else if (code)
		reason = ERR_reason_error_string(code);
	ERR_clear_error();
	return reason ? reason : "unknown error";
}

bool tls_error(struct err *err, const char *fmt, ...)
{
	const char *reason = tls_error_reason();
	size_t used;
	va_list args;

	if (!err)
		return false;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", reason);
	return false;
}
