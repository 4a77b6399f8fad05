/* Preloaded: a stand-in for /dev/dma_heap, whose buffers camera hardware can reach.
 *
 * libcamera and picamera2 allocate their frame buffers there, and a kernel for servers has no such
 * device. The virtual camera is software: ordinary shared memory serves it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const char HEAPS[] = "/dev/dma_heap/";

typedef int (*open_function)(const char *, int, ...);
typedef int (*ioctl_function)(int, unsigned long, ...);

/* A descriptor of anything: only ioctl() below is called on it. */
static int open_or_stand_in(const char *symbol, const char *path, int flags, mode_t mode)
{
	open_function real = (open_function)dlsym(RTLD_NEXT, symbol);

	if (path && !strncmp(path, HEAPS, sizeof(HEAPS) - 1))
		return real("/dev/null", O_RDWR | O_CLOEXEC);
	return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list rest)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	mode_t mode = mode_of(flags, rest);
	va_end(rest);
	return open_or_stand_in("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	mode_t mode = mode_of(flags, rest);
	va_end(rest);
	return open_or_stand_in("open64", path, flags, mode);
}

static int allocate(struct dma_heap_allocation_data *wanted)
{
	int fd = memfd_create("frame", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, wanted->len) < 0) {
		close(fd);
		return -1;
	}
	wanted->fd = fd;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	ioctl_function real = (ioctl_function)dlsym(RTLD_NEXT, "ioctl");
	va_list rest;
	va_start(rest, request);
	void *argument = va_arg(rest, void *);
	va_end(rest);

	if (request == DMA_HEAP_IOCTL_ALLOC)
		return allocate(argument);
	int result = real(fd, request, argument);
	/* Naming and cache maintenance of a buffer: nothing to do for ordinary memory. */
	if (result < 0 && errno == ENOTTY &&
	    (request == DMA_BUF_IOCTL_SYNC || request == DMA_BUF_SET_NAME ||
	     request == DMA_BUF_SET_NAME_A || request == DMA_BUF_SET_NAME_B))
		return 0;
	return result;
}
