var request = require('request');
var options = {
'method': 'POST',
'url': 'https://<domain>/<api prefix>/<version>/delete/appointment/',
'headers': {
'apikey': '<apikey>',
'Authorization': 'Bearer <access token>'
},
formData: {
'appointment_id': '<appointment id>'
}
};
request(options, function (error, response) {
if (error) throw new Error(error);
console.log(response.body);
});
