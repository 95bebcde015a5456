//! Restarting the machine and turning it off, by way of systemd-logind, which tells
//! the programs that asked to know, and which can refuse. polkit lets the user atek ask
//! (`units/polkit-1/rules.d/50-atek-power.rules`).

use super::PATIENCE;
use super::bus::Bus;
use super::proxy::LoginProxy;

/// The machine goes on as it was.
#[derive(Debug, thiserror::Error)]
pub enum PowerError {
    /// It was refused, or could not be asked.
    #[error("cannot {operation} the machine")]
    Refused {
        /// What was to be done with it.
        operation: &'static str,
        /// What the system says.
        #[source]
        source: zbus::Error,
    },
    /// No answer.
    #[error("cannot {0} the machine: the system did not answer in time")]
    Timeout(&'static str),
}

/// The machine's power. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Power {
    bus: Bus,
}

impl Power {
    /// Of the machine whose system bus this is.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// Begins a restart; returns when it has begun.
    ///
    /// # Errors
    ///
    /// [`PowerError`].
    pub async fn reboot(&self) -> Result<(), PowerError> {
        let ask = async {
            let connection = self.bus.connection().await?;
            begun(LoginProxy::new(&connection).await?.reboot(false).await)
        };
        told("restart", ask).await
    }

    /// Begins to turn the machine off; returns when that has begun.
    ///
    /// # Errors
    ///
    /// [`PowerError`].
    pub async fn off(&self) -> Result<(), PowerError> {
        let ask = async {
            let connection = self.bus.connection().await?;
            begun(LoginProxy::new(&connection).await?.power_off(false).await)
        };
        told("turn off", ask).await
    }
}

/// logind and the bus are stopped too: they may be gone before there is an answer, and then it had
/// begun.
fn begun(outcome: zbus::Result<()>) -> zbus::Result<()> {
    match outcome {
        Err(zbus::Error::MethodError(name, _, _))
            if name == "org.freedesktop.DBus.Error.NoReply" =>
        {
            Ok(())
        }
        Err(zbus::Error::InputOutput(_)) => Ok(()),
        outcome => outcome,
    }
}

async fn told(
    operation: &'static str,
    ask: impl Future<Output = zbus::Result<()>>,
) -> Result<(), PowerError> {
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(outcome) => outcome.map_err(|source| PowerError::Refused { operation, source }),
        Err(_) => Err(PowerError::Timeout(operation)),
    }
}
