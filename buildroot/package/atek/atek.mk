################################################################################
#
# atek
#
################################################################################

# The checkout that this tree lies in. A package of a local folder is neither
# vendored nor hashed by Buildroot: the hook below vendors it, and Cargo.lock has
# the hash of every crate.
ATEK_SITE = $(realpath $(BR2_EXTERNAL_ATEK_PATH)/..)
ATEK_SITE_METHOD = local
ATEK_LICENSE = MIT
ATEK_LICENSE_FILES = LICENSE
ATEK_DEPENDENCIES = host-pkgconf openssl systemd

# What a checkout has beside its sources. Some of it is larger than all of Buildroot.
ATEK_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = \
	--exclude=/target \
	--exclude=/out \
	--exclude=/.cache \
	--exclude=/buildroot \
	--exclude=node_modules

# The programs that the install list names.
ATEK_INSTALL_LIST = $(ATEK_SITE)/image/install.list
ATEK_PROGRAMS = $(shell sed -n 's/^bin:\([^[:space:]]*\).*/\1/p' $(ATEK_INSTALL_LIST))
ATEK_CARGO_BUILD_OPTS = --workspace $(addprefix --bin=,$(ATEK_PROGRAMS))

# Buildroot's profile is not the one that the tests run with: symbols stay, so that
# a panic's backtrace has names. Pages for the browser are embedded as they are.
ATEK_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_LTO=thin \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=4 \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=3 \
	LIBZ_SYS_STATIC=1 \
	PKG_CONFIG_ALLOW_CROSS=1 \
	ATEK_WEB_DIST=$(ATEK_WEB_DIST)

# Buildroot's host tools have no npm, so the pages are built before Buildroot is
# started, by daemon/web/build; image/build does so.
ATEK_WEB_DIST ?= $(ATEK_SITE)/daemon/web/dist

define ATEK_CHECK_WEB_DIST
	@for bundle in host lonestar; do \
		if [ ! -d "$(ATEK_WEB_DIST)/$$bundle" ]; then \
			echo "atek: the pages for the browser are missing: $(ATEK_WEB_DIST)/$$bundle;" \
				"run daemon/web/build, or give ATEK_WEB_DIST=FOLDER" >&2; \
			exit 1; \
		fi; \
	done
endef
ATEK_PRE_CONFIGURE_HOOKS += ATEK_CHECK_WEB_DIST

define ATEK_VENDOR_CRATES
	cd $(@D) && $(TARGET_MAKE_ENV) $(PKG_CARGO_ENV) $(ATEK_PKGDIR)/vendor
endef
ATEK_PRE_CONFIGURE_HOOKS += ATEK_VENDOR_CRATES

define ATEK_INSTALL_TARGET_CMDS
	$(ATEK_PKGDIR)/install $(ATEK_INSTALL_LIST) $(ATEK_SITE) \
		$(ATEK_DIR)/target/$(RUSTC_TARGET_NAME)/release $(TARGET_DIR)
endef

# Once more when all packages are in: a package that is built later has brought its own
# /etc/avahi/avahi-daemon.conf, for one, and Buildroot a line of /etc/hosts.
ATEK_TARGET_FINALIZE_HOOKS += ATEK_INSTALL_TARGET_CMDS

# `make legal-info` leaves a package of a local folder out, and knows nothing of crates; and it comes before they
# are vendored where nothing was built.
ATEK_RELEASE = $(shell sed -n 's/^version = "\(.*\)"/\1/p' $(ATEK_SITE)/Cargo.toml | head -n 1)

define ATEK_COLLECT_CRATE_LICENSES
	cd $(ATEK_DIR) && $(TARGET_MAKE_ENV) $(PKG_CARGO_ENV) $(ATEK_PKGDIR)/vendor
	@$(call legal-manifest,TARGET,atek,$(ATEK_RELEASE),$(ATEK_LICENSE),$(ATEK_LICENSE_FILES),not saved,the checkout,)
	mkdir -p $(LICENSE_FILES_DIR_TARGET)/atek && cp $(ATEK_DIR)/LICENSE $(LICENSE_FILES_DIR_TARGET)/atek/
	$(ATEK_PKGDIR)/crate-licenses $(ATEK_DIR)/vendor $(LEGAL_INFO_DIR)/licenses/atek-crates
	cp $(ATEK_SITE)/Cargo.lock $(ATEK_SITE)/daemon/web/package-lock.json $(LEGAL_INFO_DIR)/licenses/atek-crates/
endef
ATEK_POST_LEGAL_INFO_HOOKS += ATEK_COLLECT_CRATE_LICENSES

# The users of units/sysusers.d/atek.conf, made while the image is built: a box's /etc
# does not keep users, so systemd-sysusers is not in the root. What they own on the
# data partition outlives the image, so they have the numbers that are fixed there.
define ATEK_USERS
	- - atek-apps 963 * - - - Atek services
	- - atek-reserve 964 * - - - Atek when the disk is full
	atek 961 atek 961 * /var/lib/atek /usr/sbin/nologin atek-apps,systemd-journal,atek-reserve Atek host daemon
	atek-build 962 atek-build 962 * - /usr/sbin/nologin - Atek package builds
endef

$(eval $(cargo-package))
